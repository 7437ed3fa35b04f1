// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Megaphone } from 'lucide-react';
import { anyVersion, api, http, ifUnchanged, result, type Schema } from '../api';
import { shortTime } from '../format';
import { phaseOf, toneOfAnnouncement } from '../ui/announce.model';
import { useNow } from '../ui/Now';
import { Chip, Status } from '../ui/Status';
import { Objects } from './Objects';

type Announcement = Schema<'Announcement'>;
const path = (announcement: Announcement) => ({ name: announcement.metadata?.name ?? '' });

/** AdminAnnouncements are what everybody reads above every page. */
export function AdminAnnouncements() {
  const reading = api.useQuery('get', '/api/v1/announcements', { params: { query: { pageSize: 200 } } });
  const now = useNow();
  return (
    <Objects<Announcement>
      title="Announcements"
      sub="What everybody on the platform reads above every page, for as long as it matters."
      noun="announcement"
      icon={<Megaphone size={28} />}
      reading={reading}
      form={{ schema: 'AnnouncementSpec', first: ['message', 'severity', 'from', 'until'] }}
      blank={{ apiVersion: 'canopy.dev/v1alpha1', kind: 'Announcement', metadata: { name: '' }, spec: {} }}
      empty="Tell everybody of a maintenance, before they wonder."
      writes={{
        create: (object) => result(http.POST('/api/v1/announcements', { body: object as never })),
        replace: (old, object) =>
          result(
            http.PUT('/api/v1/announcements/{name}', { params: { path: path(old) }, body: object as never, headers: ifUnchanged(old) }),
          ),
        remove: (object) => result(http.DELETE('/api/v1/announcements/{name}', { params: { path: path(object) }, headers: anyVersion })),
      }}
      goes={() => ['the announcement, from every page at once']}
      columns={[
        { title: 'Name', cell: (one) => <b style={{ fontWeight: 550, whiteSpace: 'nowrap' }}>{one.metadata?.name}</b> },
        { title: 'Message', cell: (one) => <span className="wrap">{one.spec.message}</span> },
        { title: 'Severity', cell: (one) => <Chip tone={toneOfAnnouncement(one)}>{one.spec.severity ?? 'Info'}</Chip> },
        {
          title: 'Status',
          cell: (one) => {
            const phase = phaseOf(one, now);
            return <Status tone={phase === 'Shown' ? 'good' : phase === 'Planned' ? 'busy' : 'off'} label={phase} />;
          },
        },
        { title: 'From', cell: (one) => <Time time={one.spec.from} none="at once" /> },
        { title: 'Until', cell: (one) => <Time time={one.spec.until} none="it is deleted" /> },
      ]}
    />
  );
}

function Time({ time, none }: { time?: string | null; none: string }) {
  return <span style={{ whiteSpace: 'nowrap' }}>{time ? shortTime(time) : none}</span>;
}
