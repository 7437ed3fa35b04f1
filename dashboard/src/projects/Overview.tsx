// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Text } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import { Circle, CircleCheck } from 'lucide-react';
import { api, type Cluster } from '../api';
import { CreateButton } from '../clusters/List';
import { stateOf } from '../clusters/model';
import { ClusterLink, ClusterStatus, Nodes, Version } from '../clusters/Parts';
import { count } from '../format';
import { Age } from '../ui/Now';
import { Page, Section } from '../ui/Page';
import { QuotaBars } from '../ui/QuotaBars';
import { ResourceTable } from '../ui/ResourceTable';
import { Failed, Loading } from '../ui/States';
import { Status } from '../ui/Status';
import { actOf, firstSteps, tally } from './model';

/** Overview is a project at a glance. */
export function Overview() {
  const { project = '' } = useParams({ strict: false });
  const path = { project };
  const reading = api.useQuery('get', '/api/v1/projects/{name}', { params: { path: { name: project } } });
  const clusters = api.useQuery('get', '/api/v1/projects/{project}/clusters', { params: { path, query: { pageSize: 500 } } });
  const quota = api.useQuery('get', '/api/v1/projects/{project}/quota', { params: { path } });
  const keys = api.useQuery('get', '/api/v1/projects/{project}/sshkeys', { params: { path, query: { pageSize: 1 } } });
  const audit = api.useQuery('get', '/api/v1/projects/{project}/audit', { params: { path, query: { pageSize: 8 } } });
  if (reading.error)
    return (
      <Page title={project}>
        <Failed error={reading.error} retry={() => void reading.refetch()} />
      </Page>
    );
  if (!reading.data || !clusters.data)
    return <Page title={project}>{clusters.error ? <Failed error={clusters.error} /> : <Loading />}</Page>;
  const all = clusters.data.items;
  const members = reading.data.spec?.members?.length ?? 0;
  const steps = firstSteps(project, { members, keys: keys.data?.totalSize ?? 0, clusters: all });
  const worst = all.filter((cluster) => stateOf(cluster).tone !== 'good');
  return (
    <Page
      title={reading.data.spec?.displayName || project}
      sub={<span className="mono">{project}</span>}
      actions={<CreateButton project={project} />}
    >
      {all.length === 0 && <Checklist steps={steps} />}
      <div
        style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 360px), 1fr))', gap: 16, alignItems: 'start' }}
      >
        <Section
          title="Clusters"
          sub={
            <Link to="/projects/$project/clusters" params={{ project }} style={{ color: 'inherit' }}>
              {count(clusters.data.totalSize ?? all.length, 'cluster')}
            </Link>
          }
        >
          <Tally clusters={all} />
        </Section>
        <Section title="Quota">{quota.error ? <Failed error={quota.error} /> : <QuotaBars quota={quota.data} />}</Section>
      </div>
      {worst.length > 0 && (
        <Section title="Not at rest" sub="What is in progress, or needs somebody." flush>
          <ResourceTable
            label="Clusters not at rest"
            reading={{ data: { items: worst.slice(0, 10) }, error: null, isPending: false, refetch: () => undefined }}
            keyOf={(cluster) => cluster.metadata?.name ?? ''}
            empty={null}
            columns={[
              { title: 'Name', cell: (cluster) => <ClusterLink cluster={cluster} /> },
              { title: 'Status', cell: (cluster) => <ClusterStatus cluster={cluster} /> },
              { title: 'What is going on', cell: (cluster) => <span className="wrap">{stateOf(cluster).sentence}</span> },
              { title: 'For', right: true, cell: (cluster) => <Age time={stateOf(cluster).since} /> },
              { title: 'Version', cell: (cluster) => <Version cluster={cluster} /> },
              { title: 'Nodes', right: true, cell: (cluster) => <Nodes cluster={cluster} /> },
            ]}
          />
        </Section>
      )}
      <Section
        title="Recent changes"
        flush
        actions={
          <Link to="/projects/$project/audit" params={{ project }} style={{ fontSize: 13, color: 'var(--mantine-color-dimmed)' }}>
            Audit
          </Link>
        }
      >
        <ResourceTable
          label="Recent changes"
          reading={audit}
          keyOf={(record) => record.metadata?.name ?? ''}
          empty={
            <Text c="dimmed" px="md" pb="md">
              Nothing has been changed yet.
            </Text>
          }
          columns={[
            { title: 'When', width: 90, cell: (record) => <Age time={record.spec.time} /> },
            { title: 'Who', cell: (record) => record.spec.user },
            { title: 'What', cell: (record) => <span className="wrap">{actOf(record)}</span> },
            {
              title: 'Outcome',
              cell: (record) =>
                (record.result?.status ?? 0) >= 400 ? (
                  <Status tone="bad" label={record.result?.code ?? 'refused'} why={record.result?.detail} />
                ) : (
                  <Status tone="good" label="done" />
                ),
            },
          ]}
        />
      </Section>
    </Page>
  );
}

function Tally({ clusters }: { clusters: Cluster[] }) {
  const entries = tally(clusters);
  if (clusters.length === 0) return <Text c="dimmed">None yet.</Text>;
  return (
    <>
      <div
        className="bar"
        style={{ height: 10, borderRadius: 5, gap: 2, background: 'none' }}
        role="img"
        aria-label={entries.map((entry) => `${entry.count} ${entry.label}`).join(', ')}
      >
        {entries.map((entry) => (
          <span key={entry.tone} data-tone={entry.tone} style={{ width: `${(100 * entry.count) / clusters.length}%`, borderRadius: 5 }} />
        ))}
      </div>
      <div style={{ display: 'flex', flexWrap: 'wrap', gap: '6px 22px', marginTop: 12, fontSize: 13 }}>
        {entries.map((entry) => (
          <Status
            key={entry.tone}
            tone={entry.tone}
            label={
              <>
                <b className="number">{entry.count}</b> {entry.label}
              </>
            }
          />
        ))}
      </div>
    </>
  );
}

function Checklist({ steps }: { steps: ReturnType<typeof firstSteps> }) {
  return (
    <Section title="First steps" sub="What makes this project of use.">
      <ol style={{ listStyle: 'none', margin: 0, padding: 0, display: 'grid', gap: 4 }}>
        {steps.map((step) => (
          <li key={step.title}>
            <Link to={step.to} className="nav" data-tone={step.done ? 'good' : 'off'}>
              {step.done ? <CircleCheck size={18} className="tone" aria-label="done" /> : <Circle size={18} aria-label="to do" />}
              <span>
                <b style={{ fontWeight: 550 }}>{step.title}</b> <span style={{ color: 'var(--mantine-color-dimmed)' }}>· {step.text}</span>
              </span>
            </Link>
          </li>
        ))}
      </ol>
    </Section>
  );
}
