// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Text } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Cluster, type Schema } from '../api';
import { bytes, count, quantity, round } from '../format';
import { Page, Section } from '../ui/Page';
import { Failed, Loading } from '../ui/States';
import { Status } from '../ui/Status';
import { WorldMap } from '../ui/WorldMap';
import { byCode, byReason, byVersion, type Count, capacityOf, lookOf } from './model';

/** Fleet is everything that the platform runs, at a glance. */
export function Fleet() {
  const clusters = api.useQuery('get', '/api/v1/clusters', { params: { query: { pageSize: 500 } } });
  const waiting = api.useQuery('get', '/api/v1/clusters', { params: { query: { pageSize: 500, ready: 'False' } } });
  const unknown = api.useQuery('get', '/api/v1/clusters', { params: { query: { pageSize: 500, ready: 'Unknown' } } });
  const seeds = api.useQuery('get', '/api/v1/seeds', { params: { query: { pageSize: 200 } } });
  const navigate = useNavigate();
  const error = clusters.error ?? seeds.error;
  if (error)
    return (
      <Page title="Fleet">
        <Failed error={error} />
      </Page>
    );
  if (!clusters.data || !seeds.data || !waiting.data || !unknown.data)
    return (
      <Page title="Fleet">
        <Loading />
      </Page>
    );
  const total = clusters.data.totalSize ?? 0;
  const notReady = waiting.data.totalSize ?? 0;
  const notKnown = unknown.data.totalSize ?? 0;
  const troubled: Cluster[] = [...waiting.data.items, ...unknown.data.items];
  return (
    <Page title="Fleet" sub={`${count(total, 'cluster')} on ${count(seeds.data.items.length, 'seed')}`}>
      <div style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(150px, 1fr))', gap: 12, marginBottom: 16 }}>
        <Figure label="Ready" value={total - notReady - notKnown} search={{ ready: 'True' }} tone="good" />
        <Figure label="Not ready" value={notReady} search={{ ready: 'False' }} tone={notReady ? 'busy' : 'off'} />
        <Figure label="Not known" value={notKnown} search={{ ready: 'Unknown' }} tone={notKnown ? 'warn' : 'off'} />
      </div>
      <Section
        title="Seeds"
        sub={
          <Link to="/admin/seeds" style={{ color: 'inherit' }}>
            All about them
          </Link>
        }
      >
        <WorldMap
          places={seeds.data.items.map((seed) => ({ name: seed.metadata?.name ?? '', country: seed.spec?.country, ...lookOf(seed) }))}
          onChoose={() => void navigate({ to: '/admin/seeds' })}
        />
        <div style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fill, minmax(250px, 1fr))', gap: 12 }}>
          {seeds.data.items.map((seed) => (
            <SeedCard key={seed.metadata?.name} seed={seed} />
          ))}
        </div>
      </Section>
      <div
        style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 380px), 1fr))', gap: 16, alignItems: 'start' }}
      >
        <Section title="Why clusters are not ready">
          <Counts counts={byReason(troubled)} none="None is: every cluster is ready." tone="warn" />
        </Section>
        <Errors />
        <Section title="Capacity of all seeds" sub="What control planes ask for, of what there is.">
          <div style={{ display: 'grid', gap: 12 }}>
            <Share of={capacityOf(seeds.data.items, 'cpu')} unit="cpu" label="CPU" />
            <Share of={capacityOf(seeds.data.items, 'memory')} unit="memory" label="Memory" />
            <Share of={capacityOf(seeds.data.items, 'pods')} unit="cpu" label="Pods" />
          </div>
        </Section>
        <Section title="Versions" sub={total > 500 ? 'Of the first 500 clusters by name.' : undefined}>
          <Counts counts={byVersion(clusters.data.items)} none="There is no cluster yet." tone="good" />
        </Section>
      </div>
    </Page>
  );
}

/** Errors counts what the API has refused since yesterday. */
function Errors() {
  const [since] = useState(() => new Date(Date.now() - 86_400_000).toISOString());
  const failed = api.useQuery('get', '/api/v1/audit', { params: { query: { pageSize: 500, failed: true, since } } });
  const more = (failed.data?.totalSize ?? 0) > 500;
  return (
    <Section title="Errors by code" sub={more ? 'Of the last 500 refused changes.' : 'Changes that were refused in the last 24 hours.'}>
      {failed.error ? <Failed error={failed.error} /> : null}
      {failed.data && <Counts counts={byCode(failed.data.items)} none="None: nothing was refused." tone="bad" />}
    </Section>
  );
}

function Figure({
  label,
  value,
  search,
  tone,
}: {
  label: string;
  value: number;
  search: { ready: 'True' | 'False' | 'Unknown' };
  tone: 'good' | 'busy' | 'warn' | 'off';
}) {
  return (
    <Link to="/clusters" search={search} className="choice" style={{ textDecoration: 'none' }}>
      <Text fz={26} fw={600} className="number" lh={1.2}>
        {value.toLocaleString('en')}
      </Text>
      <Status tone={tone} label={label} />
    </Link>
  );
}

function SeedCard({ seed }: { seed: Schema<'Seed'> }) {
  const look = lookOf(seed);
  const { capacity, clusters = 0 } = seed.status ?? {};
  return (
    <div className="card" style={{ padding: '12px 14px' }}>
      <div style={{ display: 'flex', justifyContent: 'space-between', gap: 8 }}>
        <Status tone={look.tone} label={<b style={{ fontWeight: 600 }}>{seed.metadata?.name}</b>} why={look.text} />
        <Text size="xs" c="dimmed">
          {[seed.spec?.location, seed.spec?.country].filter(Boolean).join(', ')}
        </Text>
      </div>
      <Text size="sm" c="dimmed" my={6}>
        {count(clusters, 'cluster')}
        {seed.spec?.drained ? ' · takes no new ones' : ''}
      </Text>
      <div style={{ display: 'grid', gap: 8 }}>
        <Share of={capacity?.cpu} unit="cpu" label="CPU" />
        <Share of={capacity?.memory} unit="memory" label="Memory" />
        <Share of={capacity?.pods} unit="cpu" label="Pods" />
      </div>
    </div>
  );
}

/** Share shows what is asked for of what there is. */
export function Share({ of, unit, label }: { of?: { allocatable: unknown; requested: unknown }; unit: 'cpu' | 'memory'; label?: string }) {
  if (!of) return <>–</>;
  const [there, asked] = [quantity(String(of.allocatable)), quantity(String(of.requested))];
  const share = there > 0 ? asked / there : 0;
  const write = unit === 'memory' ? bytes : round;
  const text = `${write(asked)} of ${write(there)}`;
  return (
    <div data-tone={share > 0.9 ? 'bad' : share > 0.8 ? 'warn' : 'good'}>
      <div style={{ display: 'flex', justifyContent: 'space-between', fontSize: 12, marginBottom: 3 }} className="number">
        {label && <span>{label}</span>}
        <span style={{ color: 'var(--mantine-color-dimmed)' }}>{text}</span>
      </div>
      <div className="bar" role="img" aria-label={`${label ?? ''} ${text}`}>
        <span style={{ width: `${Math.min(share, 1) * 100}%` }} />
      </div>
    </div>
  );
}

function Counts({ counts, none, tone }: { counts: Count[]; none: string; tone: string }) {
  const most = Math.max(1, ...counts.map((entry) => entry.count));
  if (counts.length === 0) return <Text c="dimmed">{none}</Text>;
  return (
    <div style={{ display: 'grid', gap: 8 }}>
      {counts.map((entry) => (
        <div
          key={entry.label}
          style={{ display: 'grid', gridTemplateColumns: 'minmax(120px, 200px) 1fr 40px', gap: 12, alignItems: 'center', fontSize: 13 }}
          data-tone={tone}
        >
          <span className="wrap">{entry.label}</span>
          <div className="bar">
            <span style={{ width: `${(100 * entry.count) / most}%` }} />
          </div>
          <span className="number" style={{ textAlign: 'right' }}>
            {entry.count}
          </span>
        </div>
      ))}
    </div>
  );
}
