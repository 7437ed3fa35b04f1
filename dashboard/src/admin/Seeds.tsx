// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Sprout } from 'lucide-react';
import { anyVersion, api, http, ifUnchanged, mergePatch, result, type Schema } from '../api';
import { find } from '../ui/conditions.model';
import { Age } from '../ui/Now';
import { Status } from '../ui/Status';
import { tell } from '../ui/tell';
import { Share } from './Fleet';
import { Objects } from './Objects';

type Seed = Schema<'Seed'>;
const path = (seed: Seed) => ({ name: seed.metadata?.name ?? '' });

/** Seeds are the Kubernetes clusters that host control planes. */
export function Seeds() {
  const reading = api.useQuery('get', '/api/v1/seeds', { params: { query: { pageSize: 200 } } });
  const drain = (seed: Seed) =>
    tell(
      result(
        http.PATCH('/api/v1/seeds/{name}', {
          params: { path: path(seed) },
          body: { spec: { drained: !seed.spec?.drained } } as never,
          ...mergePatch,
        }),
      ),
    );
  return (
    <Objects<Seed>
      title="Seeds"
      sub="Kubernetes clusters that host the control planes of user clusters. Losing one never touches another."
      noun="seed"
      icon={<Sprout size={28} />}
      reading={reading}
      form={{ schema: 'SeedSpec', first: ['country', 'location', 'kubeconfigSecretName', 'address', 'drained'], hide: ['claims'] }}
      blank={{
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'Seed',
        metadata: { name: '' },
        spec: {},
      }}
      empty="The command `canopy seed add` makes one of a kubeconfig, and checks it beforehand."
      writes={{
        create: (object) => result(http.POST('/api/v1/seeds', { body: object as never })),
        replace: (old, object) =>
          result(http.PUT('/api/v1/seeds/{name}', { params: { path: path(old) }, body: object as never, headers: ifUnchanged(old) })),
        remove: (seed) => result(http.DELETE('/api/v1/seeds/{name}', { params: { path: path(seed) }, headers: anyVersion })),
      }}
      goes={(seed) => [`the connection to it; it must host no cluster (${seed.status?.clusters ?? 0} now)`]}
      actions={(seed) => [
        { label: seed.spec?.drained ? 'Take new clusters again' : 'Take no new clusters', onClick: () => void drain(seed) },
      ]}
      columns={[
        { title: 'Name', cell: (seed) => <b style={{ fontWeight: 550 }}>{seed.metadata?.name}</b> },
        {
          title: 'Status',
          cell: (seed) => {
            const ready = find(seed.status?.conditions, 'Ready');
            if (!ready) return <Status tone="busy" label="Pending" />;
            if (ready.status !== 'True') return <Status tone="bad" label={ready.reason} why={ready.message} />;
            return seed.spec?.drained ? (
              <Status tone="off" label="Drained" why="It takes no new clusters." />
            ) : (
              <Status tone="good" label="Ready" />
            );
          },
        },
        { title: 'Where', cell: (seed) => [seed.spec?.location, seed.spec?.country].filter(Boolean).join(', ') || '–' },
        { title: 'Clusters', right: true, cell: (seed) => <span className="number">{seed.status?.clusters ?? 0}</span> },
        { title: 'CPU asked for', width: 150, cell: (seed) => <Share of={seed.status?.capacity?.cpu} unit="cpu" /> },
        { title: 'Memory asked for', width: 150, cell: (seed) => <Share of={seed.status?.capacity?.memory} unit="memory" /> },
        { title: 'Kubernetes', cell: (seed) => seed.status?.kubernetesVersion ?? '–' },
        { title: 'Last contact', right: true, cell: (seed) => <Age time={seed.status?.lastContact} /> },
      ]}
    />
  );
}
