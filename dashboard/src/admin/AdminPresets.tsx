// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { KeySquare } from 'lucide-react';
import { anyVersion, api, http, ifUnchanged, result, type Schema } from '../api';
import { providers } from '../clusters/create/places';
import { Age } from '../ui/Now';
import { Ready } from '../ui/Ready';
import { Objects, useProjectNames } from './Objects';

type Preset = Schema<'Preset'>;
const path = (preset: Preset) => ({ name: preset.metadata?.name ?? '' });

/** AdminPresets are credentials for providers, and who may use them. */
export function AdminPresets() {
  const reading = api.useQuery('get', '/api/v1/presets', { params: { query: { pageSize: 200 } } });
  const projects = useProjectNames();
  return (
    <Objects<Preset>
      title="Presets"
      sub="Credentials for providers, and which projects may use them. The credentials are a Secret of the platform and are never shown."
      noun="preset"
      icon={<KeySquare size={28} />}
      reading={reading}
      form={{ schema: 'PresetSpec', names: providers, offers: { projects } }}
      blank={{
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'Preset',
        metadata: { name: '' },
        spec: {},
      }}
      empty="A preset names a Secret in canopy-system, so that nobody has to handle credentials."
      writes={{
        create: (object) => result(http.POST('/api/v1/presets', { body: object as never })),
        replace: (old, object) =>
          result(http.PUT('/api/v1/presets/{name}', { params: { path: path(old) }, body: object as never, headers: ifUnchanged(old) })),
        remove: (object) => result(http.DELETE('/api/v1/presets/{name}', { params: { path: path(object) }, headers: anyVersion })),
      }}
      goes={() => ['the right to use its credentials: clusters that name it cannot make machines any more']}
      columns={[
        { title: 'Name', cell: (preset) => <b style={{ fontWeight: 550 }}>{preset.metadata?.name}</b> },
        { title: 'Provider', cell: (preset) => providers[preset.spec.provider] ?? preset.spec.provider },
        { title: 'Secret', cell: (preset) => <span className="mono">{preset.spec.secretName}</span> },
        { title: 'Status', cell: (preset) => <Ready conditions={preset.status?.conditions} /> },
        { title: 'For', cell: (preset) => (preset.spec.projects?.length ? preset.spec.projects.join(', ') : 'all projects') },
        { title: 'Age', right: true, cell: (preset) => <Age time={preset.metadata?.creationTimestamp} /> },
      ]}
    />
  );
}
