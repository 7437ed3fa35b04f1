// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Rocket } from 'lucide-react';
import { anyVersion, api, http, ifUnchanged, mergePatch, result, type Schema } from '../api';
import { dateOnly } from '../format';
import { useNow } from '../ui/Now';
import { Chip, Status } from '../ui/Status';
import { tell } from '../ui/tell';
import { Objects } from './Objects';

type Release = Schema<'Release'>;
const path = (release: Release) => ({ name: release.metadata?.name ?? '' });

/** Releases are the versions of Kubernetes that clusters may have. */
export function Releases() {
  const reading = api.useQuery('get', '/api/v1/releases', { params: { query: { pageSize: 200 } } });
  const now = useNow();
  const newest = reading.data && {
    ...reading.data,
    items: reading.data.items
      .slice()
      .sort((a, b) => (b.metadata?.name ?? '').localeCompare(a.metadata?.name ?? '', 'en', { numeric: true })),
  };
  const recommend = (release: Release) =>
    tell(
      result(
        http.PATCH('/api/v1/releases/{name}', {
          params: { path: path(release) },
          body: { spec: { default: true } } as never,
          ...mergePatch,
        }),
      ),
    );
  return (
    <Objects<Release>
      title="Releases"
      sub="Versions of Kubernetes that clusters may have, and until when they get fixes."
      noun="release"
      icon={<Rocket size={28} />}
      reading={{ ...reading, data: newest }}
      form={{ schema: 'ReleaseSpec' }}
      blank={{ apiVersion: 'canopy.dev/v1alpha1', kind: 'Release', metadata: { name: '' }, spec: {} }}
      empty="Without one, no cluster can be created."
      writes={{
        create: (object) => result(http.POST('/api/v1/releases', { body: object as never })),
        replace: (old, object) =>
          result(http.PUT('/api/v1/releases/{name}', { params: { path: path(old) }, body: object as never, headers: ifUnchanged(old) })),
        remove: (object) => result(http.DELETE('/api/v1/releases/{name}', { params: { path: path(object) }, headers: anyVersion })),
      }}
      goes={() => ['the version for new clusters; clusters that have it keep it']}
      actions={(release) =>
        release.spec?.default ? [] : [{ label: 'Recommend for new clusters', onClick: () => void recommend(release) }]
      }
      columns={[
        {
          title: 'Version',
          cell: (release) => (
            <span>
              <b style={{ fontWeight: 550 }}>{release.metadata?.name}</b> {release.spec?.default && <Chip tone="good">recommended</Chip>}
            </span>
          ),
        },
        {
          title: 'Status',
          cell: (release) => {
            if (release.spec?.blocked) return <Status tone="bad" label="Blocked" why={release.spec.blocked} />;
            if (release.spec?.endOfLife && Date.parse(release.spec.endOfLife) < now)
              return <Status tone="warn" label="No fixes any more" />;
            return <Status tone="good" label="Supported" />;
          },
        },
        { title: 'Fixes until', cell: (release) => (release.spec?.endOfLife ? dateOnly(release.spec.endOfLife) : '–') },
        { title: 'Upgrades from', cell: (release) => release.spec?.upgradesFrom?.join(', ') || 'the minor before' },
        { title: 'Note', cell: (release) => <span className="wrap">{release.spec?.blocked ?? ''}</span> },
      ]}
    />
  );
}
