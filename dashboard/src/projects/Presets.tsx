// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { useParams } from '@tanstack/react-router';
import { KeySquare } from 'lucide-react';
import { api } from '../api';
import { providers } from '../clusters/create/places';
import { Age } from '../ui/Now';
import { Page } from '../ui/Page';
import { Ready } from '../ui/Ready';
import { ResourceTable } from '../ui/ResourceTable';
import { Empty } from '../ui/States';

/** Presets are the credentials that this project may use. */
export function Presets() {
  const { project = '' } = useParams({ strict: false });
  const reading = api.useQuery('get', '/api/v1/projects/{project}/presets', { params: { path: { project }, query: { pageSize: 200 } } });
  return (
    <Page
      title="Presets"
      sub="Credentials for providers that clusters of this project may name. Nobody can read them."
      crumbs={[{ label: project, to: `/projects/${project}` }]}
    >
      <div className="card">
        <ResourceTable
          label="Presets"
          reading={reading}
          keyOf={(preset) => preset.metadata?.name ?? ''}
          empty={
            <Empty icon={<KeySquare size={28} />} title="No presets for this project">
              Datacenters whose provider needs no credentials work without. An administrator adds presets for the others.
            </Empty>
          }
          columns={[
            { title: 'Name', cell: (preset) => <b style={{ fontWeight: 550 }}>{preset.metadata?.name}</b> },
            { title: 'Provider', cell: (preset) => providers[preset.spec.provider] ?? preset.spec.provider },
            { title: 'Status', cell: (preset) => <Ready conditions={preset.status?.conditions} /> },
            { title: 'For', cell: (preset) => (preset.spec.projects?.length ? preset.spec.projects.join(', ') : 'all projects') },
            { title: 'Age', right: true, cell: (preset) => <Age time={preset.metadata?.creationTimestamp} /> },
          ]}
        />
      </div>
    </Page>
  );
}
