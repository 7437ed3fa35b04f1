// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button } from '@mantine/core';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { Download, FileClock } from 'lucide-react';
import { api, type Schema } from '../api';
import { exactTime } from '../format';
import { Age } from '../ui/Now';
import { Page } from '../ui/Page';
import { type Column, Pager, ResourceTable } from '../ui/ResourceTable';
import { Empty } from '../ui/States';
import { Status } from '../ui/Status';
import { actOf } from './model';

interface Search {
  after?: string;
  from?: number;
}

/** Audit is who has done what: of a project, or of the platform. */
export function Audit() {
  const { project } = useParams({ strict: false });
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const query = { pageSize: 50, ...(search.after ? { pageToken: search.after } : {}) };
  const some = api.useQuery(
    'get',
    '/api/v1/projects/{project}/audit',
    { params: { path: { project: project ?? '' }, query } },
    { enabled: !!project },
  );
  const all = api.useQuery('get', '/api/v1/audit', { params: { query } }, { enabled: !project });
  const reading = project ? some : all;
  const go = (next: Search) => void navigate({ to: '.', search: next as never });
  return (
    <Page
      title="Audit"
      sub="Who has changed what, and what came of it."
      crumbs={project ? [{ label: project, to: `/projects/${project}` }] : [{ label: 'Platform', to: '/admin' }]}
      actions={
        <Button
          component="a"
          variant="default"
          leftSection={<Download size={15} />}
          href={project ? `/api/v1/projects/${project}/audit/export` : '/api/v1/audit/export'}
          download
        >
          Export
        </Button>
      }
    >
      <div className="card">
        <ResourceTable
          label="Audit"
          reading={reading}
          columns={columns}
          keyOf={(record) => record.metadata?.name ?? ''}
          empty={
            <Empty icon={<FileClock size={28} />} title="Nothing has been changed yet">
              Every change leaves a record here, also one that was refused.
            </Empty>
          }
          footer={
            reading.data && (
              <Pager
                from={search.from ?? 0}
                shown={reading.data.items.length}
                total={reading.data.totalSize ?? reading.data.items.length}
                onFirst={search.after ? () => go({}) : undefined}
                onNext={
                  reading.data.nextPageToken
                    ? () => go({ after: reading.data.nextPageToken, from: (search.from ?? 0) + reading.data.items.length })
                    : undefined
                }
              />
            )
          }
        />
      </div>
    </Page>
  );
}

const columns: Column<Schema<'AuditRecord'>>[] = [
  { title: 'When', width: 90, cell: (record) => <Age time={record.spec.time} /> },
  {
    title: 'Who',
    cell: (record) => (
      <span title={record.spec.token ? `by the token ${record.spec.token}` : exactTime(record.spec.time)}>{record.spec.user}</span>
    ),
  },
  { title: 'What', cell: (record) => <span className="wrap">{actOf(record)}</span> },
  {
    title: 'Outcome',
    cell: (record) =>
      !record.result ? (
        <Status tone="warn" label="not known" />
      ) : record.result.status >= 400 ? (
        <Status tone="bad" label={record.result.code ?? 'refused'} why={record.result.detail} />
      ) : (
        <Status tone="good" label="done" />
      ),
  },
  { title: 'From', cell: (record) => <span className="mono">{record.spec.source ?? '–'}</span> },
  { title: 'Request', cell: (record) => <span className="mono">{record.spec.requestId.slice(0, 12)}</span> },
];
