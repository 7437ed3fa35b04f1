// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Group, Select, TextInput } from '@mantine/core';
import { keepPreviousData, useMutation } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Container, Download, Plus, Search, SearchX } from 'lucide-react';
import { type ReactNode, useEffect, useState } from 'react';
import { api, type Cluster, http, projectOf, result, type Schema } from '../api';
import { bytes } from '../format';
import { useRights } from '../me';
import { Age, useDebounced } from '../ui/Now';
import { type Column, Pager, ResourceTable } from '../ui/ResourceTable';
import { Sparkline } from '../ui/Sparkline';
import { Empty } from '../ui/States';
import { save } from '../ui/save';
import { tell } from '../ui/tell';
import { Bulk } from './Bulk';
import { toCSV } from './csv';
import { cores } from './live/charts.model';
import { ClusterLink, ClusterStatus, Nodes, Version } from './Parts';
import { keyOf, useUsage } from './usage';

/** ListSearch is what the URL says of the list. */
export interface ListSearch {
  search?: string;
  ready?: 'True' | 'False' | 'Unknown';
  labels?: string;
  order?: 'name' | '-name' | 'created' | '-created';
  after?: string;
  from?: number;
}

export function listSearch(raw: Record<string, unknown>): ListSearch {
  const text = (value: unknown) => (typeof value === 'string' && value ? value : undefined);
  return {
    search: text(raw.search),
    ready: ['True', 'False', 'Unknown'].includes(String(raw.ready)) ? (raw.ready as ListSearch['ready']) : undefined,
    labels: text(raw.labels),
    order: ['-name', 'created', '-created'].includes(String(raw.order)) ? (raw.order as ListSearch['order']) : undefined,
    after: text(raw.after) ?? (typeof raw.after === 'number' ? String(raw.after) : undefined),
    from: typeof raw.from === 'number' && raw.from > 0 ? raw.from : undefined,
  };
}

const pageSize = 50;

/** ClusterTable is the list of the clusters of a project, or of all. Pages, filters and order are the server's. */
export function ClusterTable({ project, search }: { project?: string; search: ListSearch }) {
  const navigate = useNavigate();
  const go = (next: ListSearch, replace = false) => navigate({ to: '.', search: next as never, replace });
  const query = { pageSize, ...filtersOf(search), ...(search.after ? { pageToken: search.after } : {}) };
  const options = { placeholderData: keepPreviousData };
  const all = api.useQuery('get', '/api/v1/clusters', { params: { query } }, { ...options, enabled: !project });
  const some = api.useQuery(
    'get',
    '/api/v1/projects/{project}/clusters',
    { params: { path: { project: project ?? '' }, query } },
    { ...options, enabled: !!project },
  );
  const reading = project ? some : all;
  const usage = useUsage(reading.data?.items);
  const columns = columnsOf(usage);
  const [selected, select] = useState(new Set<string>());
  const filtered = !!(search.search || search.ready || search.labels);
  const chosen = reading.data?.items.filter((cluster) => selected.has(keyOf(cluster))) ?? [];
  return (
    <div className="card">
      <Filters search={search} onChange={(next) => void go({ ...search, ...next, after: undefined, from: undefined }, true)}>
        <Export project={project} search={search} />
      </Filters>
      {chosen.length > 0 && <Bulk clusters={chosen} onDone={() => select(new Set())} />}
      <ResourceTable
        label="Clusters"
        reading={reading}
        columns={project ? columns : [columns[0]!, projectColumn, ...columns.slice(1)]}
        keyOf={keyOf}
        nameOf={(cluster) => cluster.metadata?.name ?? ''}
        selected={selected}
        onSelect={select}
        empty={
          filtered ? (
            <Empty
              icon={<SearchX size={28} />}
              title="No cluster matches"
              action={
                <Button variant="default" onClick={() => void go({})}>
                  Clear the filters
                </Button>
              }
            >
              There are clusters here, but none that is called or labelled so.
            </Empty>
          ) : (
            <NoClusters project={project} />
          )
        }
        footer={
          reading.data && (
            <Pager
              from={search.from ?? 0}
              shown={reading.data.items.length}
              total={reading.data.totalSize ?? reading.data.items.length}
              onFirst={search.after ? () => void go({ ...search, after: undefined, from: undefined }) : undefined}
              onNext={
                reading.data.nextPageToken
                  ? () => void go({ ...search, after: reading.data.nextPageToken, from: (search.from ?? 0) + reading.data.items.length })
                  : undefined
              }
            />
          )
        }
      />
    </div>
  );
}

/** filtersOf is what a request says of the filters and the order. */
function filtersOf(search: ListSearch) {
  return {
    orderBy: search.order ?? ('name' as const),
    ...(search.search ? { search: search.search } : {}),
    ...(search.ready ? { ready: search.ready } : {}),
    ...(search.labels ? { labelSelector: search.labels } : {}),
  };
}

const columnsOf = (usage: Map<string, Schema<'ClusterUsage'>>): Column<Cluster>[] => [
  { title: 'Name', cell: (cluster) => <ClusterLink cluster={cluster} /> },
  { title: 'Status', cell: (cluster) => <ClusterStatus cluster={cluster} /> },
  { title: 'Version', cell: (cluster) => <Version cluster={cluster} /> },
  { title: 'Datacenter', cell: (cluster) => <span style={{ whiteSpace: 'nowrap' }}>{cluster.spec.datacenter}</span> },
  { title: 'Seed', cell: (cluster) => <span style={{ whiteSpace: 'nowrap' }}>{cluster.status?.seed ?? '–'}</span> },
  { title: 'Nodes', right: true, cell: (cluster) => <Nodes cluster={cluster} /> },
  {
    title: 'CPU',
    cell: (cluster) => {
      const used = usage.get(keyOf(cluster));
      return (
        <Sparkline points={(used?.cpu ?? []) as [number, number][]} limit={used?.cpuAllocatable} write={cores} what="CPU of its nodes" />
      );
    },
  },
  {
    title: 'Memory',
    cell: (cluster) => {
      const used = usage.get(keyOf(cluster));
      return (
        <Sparkline
          points={(used?.memory ?? []) as [number, number][]}
          limit={used?.memoryAllocatable}
          write={bytes}
          what="Memory of its nodes"
        />
      );
    },
  },
  { title: 'Age', right: true, cell: (cluster) => <Age time={cluster.metadata?.creationTimestamp} /> },
];

const projectColumn: Column<Cluster> = {
  title: 'Project',
  cell: (cluster) => (
    <Link to="/projects/$project" params={{ project: projectOf(cluster) }} style={{ color: 'inherit' }}>
      {projectOf(cluster)}
    </Link>
  ),
};

function Filters({ search, onChange, children }: { search: ListSearch; onChange: (next: ListSearch) => void; children: ReactNode }) {
  const [text, setText] = useState(search.search ?? '');
  const [labels, setLabels] = useState(search.labels ?? '');
  const settled = useDebounced(`${text}\n${labels}`, 250);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what was typed changes the URL, and not the URL itself
  useEffect(() => {
    const [wanted = '', selector = ''] = settled.split('\n');
    if (wanted !== (search.search ?? '') || selector !== (search.labels ?? '')) {
      onChange({ search: wanted.trim().toLowerCase() || undefined, labels: selector.trim() || undefined });
    }
  }, [settled]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the filters were cleared elsewhere
  useEffect(() => {
    if (!search.search && !search.labels && settled === `${text}\n${labels}`) {
      setText('');
      setLabels('');
    }
  }, [search.search, search.labels]);
  return (
    <Group px="md" py={10} gap="xs" style={{ borderBottom: '1px solid var(--canopy-line)' }}>
      <TextInput
        type="search"
        w={260}
        placeholder="Search by name"
        aria-label="Search by name"
        leftSection={<Search size={14} />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <TextInput
        w={200}
        placeholder="Labels, as team=shop"
        aria-label="Labels"
        value={labels}
        onChange={(event) => setLabels(event.currentTarget.value)}
      />
      <Select
        w={170}
        aria-label="Health"
        placeholder="Any health"
        clearable
        clearButtonProps={{ 'aria-label': 'Any health' }}
        value={search.ready ?? null}
        onChange={(ready) => onChange({ ready: (ready ?? undefined) as ListSearch['ready'] })}
        data={[
          { value: 'True', label: 'Ready' },
          { value: 'False', label: 'Not ready' },
          { value: 'Unknown', label: 'Not known' },
        ]}
      />
      <Select
        w={150}
        aria-label="Order"
        allowDeselect={false}
        value={search.order ?? 'name'}
        onChange={(order) => onChange({ order: order === 'name' ? undefined : (order as ListSearch['order']) })}
        data={[
          { value: 'name', label: 'Name, A to Z' },
          { value: '-name', label: 'Name, Z to A' },
          { value: '-created', label: 'Newest first' },
          { value: 'created', label: 'Oldest first' },
        ]}
      />
      <div style={{ marginLeft: 'auto' }}>{children}</div>
    </Group>
  );
}

/** Export saves all clusters that the filters leave, not only this page of them. */
function Export({ project, search }: { project?: string; search: ListSearch }) {
  const page = (pageToken?: string) => {
    const query = { ...filtersOf(search), pageSize: 500, ...(pageToken ? { pageToken } : {}) };
    return project
      ? result(http.GET('/api/v1/projects/{project}/clusters', { params: { path: { project }, query } }))
      : result(http.GET('/api/v1/clusters', { params: { query } }));
  };
  const saving = useMutation({
    mutationFn: async () => {
      const all: Cluster[] = [];
      for (let next: string | undefined, begun = false; !begun || next; begun = true) {
        const found = await page(next);
        all.push(...found.items);
        next = found.nextPageToken;
      }
      save(`clusters${project ? `-${project}` : ''}.csv`, toCSV(all), 'text/csv');
    },
  });
  return (
    <Button
      variant="default"
      leftSection={<Download size={15} />}
      loading={saving.isPending}
      onClick={() => void tell(saving.mutateAsync())}
    >
      Export CSV
    </Button>
  );
}

function NoClusters({ project }: { project?: string }) {
  return (
    <Empty icon={<Container size={28} />} title="No clusters yet" action={project ? <CreateButton project={project} /> : undefined}>
      A cluster is a Kubernetes of your own: its control plane is there within seconds, its nodes join by themselves.
    </Empty>
  );
}

/** CreateButton leads to the wizard, or says why not. */
export function CreateButton({ project }: { project: string }) {
  const rights = useRights(project);
  if (!rights.edit) {
    return (
      <Button disabled title={rights.why} leftSection={<Plus size={15} />}>
        Create cluster
      </Button>
    );
  }
  return (
    <Button component={Link} to={`/projects/${project}/clusters/new`} leftSection={<Plus size={15} />}>
      Create cluster
    </Button>
  );
}
