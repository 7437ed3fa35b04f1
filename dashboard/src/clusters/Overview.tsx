// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Alert, Anchor, Progress, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { Check, Circle, CircleDashed, X } from 'lucide-react';
import { api, type Cluster, type Schema } from '../api';
import { duration } from '../format';
import { Conditions } from '../ui/Conditions';
import { Command, Copy } from '../ui/Copy';
import { Age, Elapsed } from '../ui/Now';
import { Facts, Section } from '../ui/Page';
import { useCluster } from './Detail';
import { currentOperation, meanings, stateOf } from './model';
import { Nodes, Version } from './Parts';

/** Overview says what is going on, for how long, and what it waits for. */
export function Overview() {
  const { project, name, reading } = useCluster();
  const operations = api.useQuery('get', '/api/v1/projects/{project}/operations', {
    params: { path: { project }, query: { pageSize: 50 } },
  });
  const cluster = reading.data;
  if (!cluster) return null;
  const operation = currentOperation(operations.data?.items, name);
  return (
    <>
      <Now cluster={cluster} operation={operation} />
      <div style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 420px), 1fr))', gap: 16 }}>
        <Section title="Connect">
          {cluster.status?.endpoint ? (
            <>
              <Text size="sm" mb={8}>
                The kubeconfig has no secret in it: kubectl asks the command canopy for your own token.
              </Text>
              <Command>{`canopy kubeconfig ${name} --project ${project}\nkubectl get nodes`}</Command>
              <Text size="sm" mt={8}>
                Files, and certificates for a short time, are under{' '}
                <Anchor component={Link} to={`/projects/${project}/clusters/${name}/access`} size="sm">
                  Access
                </Anchor>
                .
              </Text>
            </>
          ) : (
            <Text c="dimmed">There is no address yet. It comes as soon as the API can be reached.</Text>
          )}
        </Section>
        <Section title="About">
          <About cluster={cluster} />
        </Section>
      </div>
      <Section title="Conditions" sub="What the platform says of this cluster, and what it means.">
        <Conditions conditions={cluster.status?.conditions} meanings={meanings} />
      </Section>
    </>
  );
}

function About({ cluster }: { cluster: Cluster }) {
  const { endpoint, id, seed } = cluster.status ?? {};
  const maintenance = cluster.spec.maintenance;
  return (
    <Facts
      facts={[
        ['Version', <Version key="v" cluster={cluster} />],
        ['Nodes', <Nodes key="n" cluster={cluster} />],
        [
          'Address',
          endpoint ? (
            <span key="e">
              <span className="mono">{endpoint}</span> <Copy text={endpoint} what="address" />
            </span>
          ) : (
            'none yet'
          ),
        ],
        ['Datacenter', cluster.spec.datacenter],
        ['Seed', seed ?? 'none yet'],
        [
          'ID',
          id ? (
            <span key="i">
              <span className="mono">{id}</span> <Copy text={id} what="ID" />
            </span>
          ) : (
            'none yet'
          ),
        ],
        ['Tunnel', cluster.spec.network?.tunnel ?? 'OpenVPN'],
        [
          'Patches',
          maintenance?.autoUpgrade === 'Patch'
            ? `by themselves${maintenance.window ? `, ${maintenance.window.days?.join(', ') ?? 'daily'} ${maintenance.window.start} ${maintenance.window.timeZone ?? 'UTC'}` : ''}`
            : 'when you say so',
        ],
        [
          'Created',
          <span key="c">
            <Age time={cluster.metadata?.creationTimestamp} /> ago
          </span>,
        ],
      ]}
    />
  );
}

/** Now is the sentence, and the steps of what is under way. */
function Now({ cluster, operation }: { cluster: Cluster; operation?: Schema<'Operation'> }) {
  const state = stateOf(cluster);
  const shown = state.tone !== 'good' ? operation : undefined;
  return (
    <section
      className="card"
      style={{ padding: 16, marginBottom: 16, borderLeft: '3px solid var(--tone)' }}
      data-tone={state.tone}
      aria-live="polite"
      aria-label="What is going on"
    >
      <Text fw={550} size="lg" className="wrap">
        {state.sentence}
      </Text>
      <Text size="sm" c="dimmed">
        {state.since && (
          <>
            For <Elapsed since={state.since} />
          </>
        )}
        {shown?.typicalSeconds ? ` · this usually takes about ${duration(shown.typicalSeconds)}` : ''}
        {shown && ` · asked for by ${shown.user}`}
      </Text>
      {state.next && (
        <Alert color={state.who === 'operator' ? 'yellow' : 'red'} mt="sm" p="sm">
          {state.next}
        </Alert>
      )}
      {shown && (
        <>
          <Progress value={shown.progress} mt="md" size="sm" aria-label="Progress" />
          <Steps steps={shown.steps} />
        </>
      )}
    </section>
  );
}

const icons = { Succeeded: Check, Running: CircleDashed, Failed: X } as const;

export function Steps({ steps }: { steps: Schema<'OperationStep'>[] }) {
  return (
    <ol
      style={{
        listStyle: 'none',
        margin: '12px 0 0',
        padding: 0,
        display: 'grid',
        gridTemplateColumns: 'repeat(auto-fill, minmax(240px, 1fr))',
        gap: '6px 20px',
      }}
    >
      {steps.map((step) => {
        const Icon = icons[step.state as keyof typeof icons] ?? Circle;
        const tone = step.state === 'Succeeded' ? 'good' : step.state === 'Failed' ? 'bad' : 'busy';
        return (
          <li key={step.name} data-tone={tone} style={{ display: 'flex', gap: 8, fontSize: 13 }}>
            <Icon size={15} className="tone" style={{ flex: 'none', marginTop: 2 }} aria-label={step.state} />
            <span className="wrap">
              {step.name}
              {step.message && <span style={{ color: 'var(--mantine-color-dimmed)' }}> · {step.message}</span>}
            </span>
          </li>
        );
      })}
    </ol>
  );
}
