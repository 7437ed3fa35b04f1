// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Building2 } from 'lucide-react';
import { anyVersion, api, http, ifUnchanged, result, type Schema } from '../api';
import { providers } from '../clusters/create/places';
import { providerOf } from '../clusters/create/provider';
import { Age } from '../ui/Now';
import { Objects, useProjectNames } from './Objects';

type Datacenter = Schema<'Datacenter'>;
const path = (datacenter: Datacenter) => ({ name: datacenter.metadata?.name ?? '' });

/** Datacenters are where machines can be, and which seed looks after them. */
export function Datacenters() {
  const reading = api.useQuery('get', '/api/v1/datacenters', { params: { query: { pageSize: 200 } } });
  const projects = useProjectNames();
  const seeds = api.useQuery('get', '/api/v1/seeds', { params: { query: { pageSize: 200 } } });
  return (
    <Objects<Datacenter>
      title="Datacenters"
      sub="Where machines can be: a provider's place, and the seed that looks after it."
      noun="datacenter"
      icon={<Building2 size={28} />}
      reading={reading}
      form={{
        schema: 'DatacenterSpec',
        first: ['seed', 'provider', 'country', 'location', 'projects'],
        names: providers,
        offers: { projects, seed: seeds.data?.items.map((seed) => seed.metadata?.name ?? '') ?? [] },
      }}
      blank={{
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'Datacenter',
        metadata: { name: '' },
        spec: {},
      }}
      empty="A datacenter names a seed and exactly one provider."
      writes={{
        create: (object) => result(http.POST('/api/v1/datacenters', { body: object as never })),
        replace: (old, object) =>
          result(http.PUT('/api/v1/datacenters/{name}', { params: { path: path(old) }, body: object as never, headers: ifUnchanged(old) })),
        remove: (object) => result(http.DELETE('/api/v1/datacenters/{name}', { params: { path: path(object) }, headers: anyVersion })),
      }}
      goes={() => ['the place for new clusters; clusters that are there say that it is missing']}
      columns={[
        { title: 'Name', cell: (datacenter) => <b style={{ fontWeight: 550 }}>{datacenter.metadata?.name}</b> },
        { title: 'Provider', cell: (datacenter) => providers[providerOf(datacenter)] ?? providerOf(datacenter) },
        { title: 'Where', cell: (datacenter) => [datacenter.spec.location, datacenter.spec.country].filter(Boolean).join(', ') || '–' },
        { title: 'Seed', cell: (datacenter) => datacenter.spec.seed },
        { title: 'For', cell: (datacenter) => (datacenter.spec.projects?.length ? datacenter.spec.projects.join(', ') : 'all projects') },
        { title: 'Age', right: true, cell: (datacenter) => <Age time={datacenter.metadata?.creationTimestamp} /> },
      ]}
    />
  );
}
