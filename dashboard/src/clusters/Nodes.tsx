// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { ActionIcon, Button, Group, Menu, Text, Tooltip } from '@mantine/core';
import { Ellipsis, Minus, Plus, Scaling, Server, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { anyVersion, api, http, mergePatch, type NodePool, result, type Schema } from '../api';
import { useRights } from '../me';
import { ConfirmDelete } from '../ui/ConfirmDelete';
import { find, toneOf } from '../ui/conditions.model';
import { Age } from '../ui/Now';
import { Section } from '../ui/Page';
import { type Column, ResourceTable } from '../ui/ResourceTable';
import { Empty, Failed, Loading, PartialNotice } from '../ui/States';
import { Status } from '../ui/Status';
import { tell } from '../ui/tell';
import { AddPool } from './AddPool';
import { useCluster } from './Detail';
import { PoolSize } from './PoolSize';
import { describeMachine, limitsOf, wantedOf } from './pool.model';

/** Nodes shows pools, and each machine with what it last said. */
export function Nodes() {
  const { project, name, reading } = useCluster();
  const path = { project, cluster: name };
  const pools = api.useQuery('get', '/api/v1/projects/{project}/clusters/{cluster}/nodepools', {
    params: { path, query: { pageSize: 100 } },
  });
  const machines = api.useQuery('get', '/api/v1/projects/{project}/clusters/{cluster}/machines', { params: { path } });
  const rights = useRights(project);
  const [adding, add] = useState(false);
  const button = (
    <Button
      size="compact-sm"
      leftSection={<Plus size={14} />}
      disabled={!rights.edit}
      title={rights.edit ? undefined : rights.why}
      onClick={() => add(true)}
    >
      Add pool
    </Button>
  );
  if (!pools.data) return pools.error ? <Failed error={pools.error} retry={() => void pools.refetch()} /> : <Loading />;
  return (
    <>
      <PartialNotice partial={machines.data?.partial} />
      {pools.data.items.length === 0 && (
        <div className="card">
          <Empty icon={<Server size={28} />} title="No nodes yet" action={button}>
            A pool is a number of machines of one size. Without one, the API answers but nothing can run.
          </Empty>
        </div>
      )}
      {pools.data.items.map((pool) => (
        <Pool
          key={pool.metadata?.name}
          project={project}
          cluster={name}
          pool={pool}
          machines={(machines.data?.items ?? []).filter((machine) => machine.nodePool === pool.metadata?.name)}
        />
      ))}
      {pools.data.items.length > 0 && <Group justify="flex-end">{button}</Group>}
      {machines.error ? <Failed error={machines.error} retry={() => void machines.refetch()} /> : null}
      {adding && reading.data && <AddPool project={project} cluster={reading.data} onClose={() => add(false)} />}
    </>
  );
}

function Pool({ project, cluster, pool, machines }: { project: string; cluster: string; pool: NodePool; machines: Schema<'Machine'>[] }) {
  const name = pool.metadata?.name ?? '';
  const path = { project, cluster, name };
  const rights = useRights(project);
  const [removing, remove] = useState(false);
  const [sizing, size] = useState(false);
  const wanted = wantedOf(pool);
  const range = pool.spec.autoscaling;
  const ready = find(pool.status?.conditions, 'Ready');
  const deleting = !!pool.metadata?.deletionTimestamp;
  const scale = (replicas: number) =>
    tell(
      result(
        http.PATCH('/api/v1/projects/{project}/clusters/{cluster}/nodepools/{name}', {
          params: { path },
          body: { spec: { replicas } } as never,
          ...mergePatch,
        }),
      ),
    );
  const why = rights.edit ? undefined : rights.why;
  const fixed = range && `Pods say how many, from ${range.minReplicas} to ${range.maxReplicas}: “Size…” changes that`;
  return (
    <Section
      flush
      title={name}
      sub={
        <Group gap="md">
          <Status
            tone={deleting ? 'busy' : ready ? toneOf(ready) : 'busy'}
            label={deleting ? 'Deleting' : `${pool.status?.readyReplicas ?? 0} of ${wanted} ready`}
          />
          <span>{describeMachine(pool.spec.provider)}</span>
          <span>{pool.status?.version ?? pool.spec.version ?? ''}</span>
          {range && (
            <span>
              {range.minReplicas} to {range.maxReplicas}, as pods ask
            </span>
          )}
          {(pool.status?.upToDateReplicas ?? wanted) < wanted && (
            <span>
              {pool.status?.upToDateReplicas ?? 0} of {wanted} replaced
            </span>
          )}
        </Group>
      }
      actions={
        <Group gap={6} wrap="nowrap">
          <fieldset style={{ border: 0, padding: 0, margin: 0, display: 'flex', alignItems: 'center', gap: 6 }}>
            <legend style={{ position: 'absolute', left: -9999 }}>Size of {name}</legend>
            <Tooltip label={why ?? fixed ?? 'One node less: it is drained first'}>
              <ActionIcon
                variant="default"
                disabled={!rights.edit || deleting || !!range || wanted === 0}
                onClick={() => void scale(wanted - 1)}
                aria-label={`Scale ${name} down`}
              >
                <Minus size={14} />
              </ActionIcon>
            </Tooltip>
            <Text size="sm" fw={600} className="number" w={26} ta="center" aria-label={`${wanted} nodes wanted`} role="status">
              {wanted}
            </Text>
            <Tooltip label={why ?? fixed ?? 'One node more'}>
              <ActionIcon
                variant="default"
                disabled={!rights.edit || deleting || !!range}
                onClick={() => void scale(wanted + 1)}
                aria-label={`Scale ${name} up`}
              >
                <Plus size={14} />
              </ActionIcon>
            </Tooltip>
          </fieldset>
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon variant="subtle" color="gray" aria-label={`More about ${name}`}>
                <Ellipsis size={16} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              {why && <Menu.Label>{why}</Menu.Label>}
              <Menu.Item leftSection={<Scaling size={14} />} disabled={!rights.edit || deleting} onClick={() => size(true)}>
                Size…
              </Menu.Item>
              <Menu.Item color="red" leftSection={<Trash2 size={14} />} disabled={!rights.edit || deleting} onClick={() => remove(true)}>
                Delete pool
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </Group>
      }
    >
      {ready && ready.status !== 'True' && (
        <Text size="sm" px="md" pb="xs" className="wrap">
          {ready.message}
        </Text>
      )}
      <ResourceTable
        label={`Machines of ${name}`}
        reading={{ data: { items: machines }, error: null, isPending: false, refetch: () => undefined }}
        columns={columns}
        keyOf={(machine) => machine.name}
        empty={
          <Text size="sm" c="dimmed" px="md" pb="md">
            No machine is known{wanted ? ' yet' : ': the pool has the size 0'}.
          </Text>
        }
      />
      {sizing && <PoolSize path={path} pool={pool} onClose={() => size(false)} />}
      {removing && (
        <ConfirmDelete
          what="node pool"
          name={name}
          goes={[`${machines.length} machines, and the disks in them`, ...limitsOf(pool)]}
          stays="Pods are moved to other pools where they fit."
          onClose={() => remove(false)}
          onConfirm={() =>
            result(http.DELETE('/api/v1/projects/{project}/clusters/{cluster}/nodepools/{name}', { params: { path }, headers: anyVersion }))
          }
        />
      )}
    </Section>
  );
}

const columns: Column<Schema<'Machine'>>[] = [
  { title: 'Machine', cell: (machine) => <span className="mono">{machine.name}</span> },
  {
    title: 'Status',
    cell: (machine) => (
      <Status
        tone={machine.ready ? 'good' : machine.phase === 'Failed' ? 'bad' : 'busy'}
        label={machine.deleting ? 'Deleting' : machine.ready ? 'Ready' : (machine.phase ?? 'Pending')}
      />
    ),
  },
  { title: 'What it says', cell: (machine) => <span className="wrap">{machine.message ?? (machine.ready ? '' : '–')}</span> },
  { title: 'Version', cell: (machine) => <span className="number">{machine.version ?? '–'}</span> },
  { title: 'Addresses', cell: (machine) => <span className="mono">{machine.addresses?.join(', ') || '–'}</span> },
  { title: 'Age', right: true, cell: (machine) => <Age time={machine.created} /> },
];
