// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { SegmentedControl } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { ScrollText } from 'lucide-react';
import { api, type Schema } from '../api';
import { Age } from '../ui/Now';
import { Section } from '../ui/Page';
import { type Column, ResourceTable } from '../ui/ResourceTable';
import { Empty } from '../ui/States';
import { Status } from '../ui/Status';
import { useCluster } from './Detail';
import { newestFirst } from './model';

/** Events is what has happened around a cluster. */
export function Events() {
  const { project, name } = useCluster();
  const { type } = useSearch({ strict: false }) as { type?: 'Warning' };
  const navigate = useNavigate();
  const reading = api.useQuery('get', '/api/v1/projects/{project}/clusters/{cluster}/events', {
    params: { path: { project, cluster: name }, query: { pageSize: 200, ...(type ? { type } : {}) } },
  });
  const sorted = { ...reading, data: reading.data && { ...reading.data, items: newestFirst(reading.data.items) } };
  return (
    <Section
      title="Events"
      flush
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Which events"
          value={type ?? ''}
          onChange={(value) => void navigate({ to: '.', search: (value ? { type: value } : {}) as never })}
          data={[
            { value: '', label: 'All' },
            { value: 'Warning', label: 'Warnings' },
          ]}
        />
      }
    >
      <ResourceTable
        label="Events"
        reading={sorted}
        columns={columns}
        keyOf={(event) => `${event.kind}/${event.name}/${event.reason}/${event.firstTime}/${event.message}`}
        empty={
          <Empty icon={<ScrollText size={28} />} title={type ? 'No warnings' : 'No events'}>
            Kubernetes forgets events after a while. What was changed, and by whom, is in the audit of the project.
          </Empty>
        }
      />
    </Section>
  );
}

const columns: Column<Schema<'Event'>>[] = [
  { title: 'Last', width: 80, cell: (event) => <Age time={event.lastTime} /> },
  { title: 'Reason', cell: (event) => <Status tone={event.type === 'Warning' ? 'warn' : 'off'} label={event.reason} /> },
  { title: 'Object', cell: (event) => `${event.kind} ${event.name}` },
  { title: 'Message', cell: (event) => <span className="wrap">{event.message}</span> },
  { title: 'Times', right: true, cell: (event) => <span className="number">{event.count}</span> },
];
