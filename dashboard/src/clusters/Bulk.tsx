// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Group, Modal, Select, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { ArrowUp, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { anyVersion, type Cluster, http, mergePatch, projectOf, result } from '../api';
import { count } from '../format';
import { rightsIn, useSelf } from '../me';
import { asProblem } from '../problem';
import { ConfirmDelete } from '../ui/ConfirmDelete';
import { nodesOf } from './model';

const pathOf = (cluster: Cluster) => ({ project: projectOf(cluster), name: cluster.metadata?.name ?? '' });

/** each does something with many clusters, and tells of those that refuse. */
async function each(clusters: Cluster[], act: (cluster: Cluster) => Promise<unknown>) {
  const outcomes = await Promise.allSettled(clusters.map(act));
  outcomes.forEach((outcome, i) => {
    if (outcome.status === 'rejected') {
      const problem = asProblem(outcome.reason);
      notifications.show({
        color: 'red',
        title: `${clusters[i]?.metadata?.name}: ${problem.title}`,
        message: problem.detail,
        autoClose: false,
      });
    }
  });
}

/** Bulk is what can be done with several clusters at once. */
export function Bulk({ clusters, onDone }: { clusters: Cluster[]; onDone: () => void }) {
  const self = useSelf();
  const [open, setOpen] = useState<'upgrade' | 'delete'>();
  const forbidden = clusters.filter((cluster) => !rightsIn(self, projectOf(cluster)).edit);
  const why = forbidden.length ? `You may not change ${forbidden.map((cluster) => cluster.metadata?.name).join(', ')}.` : undefined;
  const machines = clusters.reduce((sum, cluster) => sum + nodesOf(cluster).wanted, 0);
  const word = `${clusters.length} clusters`;
  return (
    <Group px="md" py={8} gap="xs" style={{ background: 'var(--canopy-soft)', borderBottom: '1px solid var(--canopy-line)' }}>
      <Text size="sm" fw={550} mr="xs">
        {count(clusters.length, 'cluster')} selected
      </Text>
      <Button
        size="compact-sm"
        variant="default"
        leftSection={<ArrowUp size={13} />}
        disabled={!!why}
        title={why}
        onClick={() => setOpen('upgrade')}
      >
        Upgrade
      </Button>
      <Button
        size="compact-sm"
        variant="default"
        leftSection={<Trash2 size={13} />}
        disabled={!!why}
        title={why}
        onClick={() => setOpen('delete')}
      >
        Delete
      </Button>
      <Button size="compact-sm" variant="subtle" color="gray" onClick={onDone}>
        Clear
      </Button>
      {open === 'upgrade' && <BulkUpgrade clusters={clusters} onClose={() => setOpen(undefined)} onDone={onDone} />}
      {open === 'delete' && (
        <ConfirmDelete
          what={clusters.length === 1 ? 'cluster' : 'clusters'}
          name={clusters.length === 1 ? (clusters[0]?.metadata?.name ?? '') : word}
          goes={[
            ...clusters.map((cluster) => `${projectOf(cluster)}/${cluster.metadata?.name}`),
            `${count(machines, 'machine')} and the disks in them`,
          ]}
          onClose={() => setOpen(undefined)}
          onConfirm={async () => {
            await each(clusters, (cluster) =>
              result(http.DELETE('/api/v1/projects/{project}/clusters/{name}', { params: { path: pathOf(cluster) }, headers: anyVersion })),
            );
            onDone();
          }}
        />
      )}
    </Group>
  );
}

function BulkUpgrade({ clusters, onClose, onDone }: { clusters: Cluster[]; onClose: () => void; onDone: () => void }) {
  const versions = [...new Set(clusters.flatMap((cluster) => cluster.status?.availableUpgrades ?? []))].sort((a, b) =>
    b.localeCompare(a, 'en', { numeric: true }),
  );
  const [version, choose] = useState(versions[0] ?? null);
  const able = clusters.filter((cluster) => version && cluster.status?.availableUpgrades?.includes(version));
  const mutation = useMutation({
    mutationFn: () =>
      each(able, (cluster) =>
        result(
          http.PATCH('/api/v1/projects/{project}/clusters/{name}', {
            params: { path: pathOf(cluster) },
            body: { spec: { version } } as never,
            ...mergePatch,
          }),
        ),
      ),
    onSuccess: () => {
      onClose();
      onDone();
    },
  });
  return (
    <Modal opened onClose={onClose} title={<b>Upgrade {count(clusters.length, 'cluster')}</b>}>
      <Stack>
        {versions.length ? (
          <Select label="To version" data={versions} value={version} onChange={choose} allowDeselect={false} />
        ) : (
          <Text>All of them have the newest version that they can have.</Text>
        )}
        {able.length < clusters.length && versions.length > 0 && (
          <Text size="sm" c="dimmed">
            {count(clusters.length - able.length, 'cluster')} cannot be upgraded to {version} and stay as they are.
          </Text>
        )}
        <Text size="sm">
          Control planes are replaced first, then nodes, one after another. The API of a compact control plane is away for some seconds.
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button disabled={able.length === 0} loading={mutation.isPending} onClick={() => mutation.mutate()}>
            Upgrade {count(able.length, 'cluster')}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
