// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Menu } from '@mantine/core';
import { Link, Outlet, useNavigate, useParams } from '@tanstack/react-router';
import { ArrowUp, Ellipsis, Pause, Play, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { anyVersion, api, type Cluster, http, mergePatch, result } from '../api';
import { useRights } from '../me';
import { asProblem } from '../problem';
import { ConfirmDelete } from '../ui/ConfirmDelete';
import { Page } from '../ui/Page';
import { Empty, Failed, Loading } from '../ui/States';
import { tell } from '../ui/tell';
import { goesWith } from './model';
import { ClusterStatus } from './Parts';
import { Upgrade } from './Upgrade';

export function useCluster() {
  const { project = '', cluster: name = '' } = useParams({ strict: false });
  return {
    project,
    name,
    reading: api.useQuery('get', '/api/v1/projects/{project}/clusters/{name}', { params: { path: { project, name } } }),
  };
}

const tabs = [
  ['', 'Overview'],
  ['/nodes', 'Nodes'],
  ['/controlplane', 'Control plane'],
  ['/charts', 'Charts'],
  ['/events', 'Events'],
  ['/access', 'Access'],
  ['/terminal', 'Terminal'],
  ['/yaml', 'YAML'],
] as const;

/** Detail is the frame of a cluster's pages. */
export function Detail() {
  const { project, name, reading } = useCluster();
  const crumbs = [
    { label: project, to: `/projects/${project}` },
    { label: 'Clusters', to: `/projects/${project}/clusters` },
  ];
  const cluster = reading.data;
  const gone = reading.error && asProblem(reading.error).status === 404;
  if (gone) {
    return (
      <Page title={name} crumbs={crumbs}>
        <div className="card">
          <Empty
            icon={<Trash2 size={28} />}
            title={cluster ? 'This cluster has been deleted' : 'There is no such cluster'}
            action={
              <Button component={Link} to={`/projects/${project}/clusters`} variant="default">
                Clusters of {project}
              </Button>
            }
          >
            {cluster
              ? 'Somebody has deleted it while you were looking. Who that was is in the audit of the project.'
              : 'It was deleted, or never was.'}
          </Empty>
        </div>
      </Page>
    );
  }
  if (!cluster)
    return (
      <Page title={name} crumbs={crumbs}>
        {reading.error ? <Failed error={reading.error} retry={() => void reading.refetch()} /> : <Loading />}
      </Page>
    );
  const base = `/projects/${project}/clusters/${name}`;
  return (
    <Page
      title={name}
      crumbs={crumbs}
      aside={<ClusterStatus cluster={cluster} />}
      actions={<Actions project={project} cluster={cluster} />}
    >
      <nav className="tabs" aria-label="Cluster" style={{ marginBottom: 16 }}>
        {tabs.map(([path, label]) => (
          <Link key={path} to={base + path} className="tab" activeOptions={{ exact: path === '' }}>
            {label}
          </Link>
        ))}
      </nav>
      <Outlet />
    </Page>
  );
}

function Actions({ project, cluster }: { project: string; cluster: Cluster }) {
  const rights = useRights(project);
  const navigate = useNavigate();
  const name = cluster.metadata?.name ?? '';
  const [open, setOpen] = useState<'delete' | 'upgrade'>();
  const path = { project, name };
  const deleting = !!cluster.metadata?.deletionTimestamp;
  const paused = !!cluster.spec.paused;
  const upgrades = cluster.status?.availableUpgrades ?? [];
  const why = rights.edit ? undefined : rights.why;
  const pause = () =>
    tell(
      result(
        http.PATCH('/api/v1/projects/{project}/clusters/{name}', {
          params: { path },
          body: { spec: { paused: !paused } } as never,
          ...mergePatch,
        }),
      ),
    );
  return (
    <>
      {upgrades.length > 0 && (
        <Button
          variant="default"
          leftSection={<ArrowUp size={15} />}
          disabled={!rights.edit || deleting}
          title={why}
          onClick={() => setOpen('upgrade')}
        >
          Upgrade
        </Button>
      )}
      <Menu position="bottom-end" width={220}>
        <Menu.Target>
          <Button variant="default" px={9} aria-label="More actions">
            <Ellipsis size={16} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {why && <Menu.Label>{why}</Menu.Label>}
          <Menu.Item
            leftSection={paused ? <Play size={14} /> : <Pause size={14} />}
            disabled={!rights.edit || deleting}
            onClick={() => void pause()}
          >
            {paused ? 'Resume' : 'Pause changes'}
          </Menu.Item>
          <Menu.Item color="red" leftSection={<Trash2 size={14} />} disabled={!rights.edit || deleting} onClick={() => setOpen('delete')}>
            Delete cluster
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {open === 'upgrade' && <Upgrade project={project} cluster={cluster} onClose={() => setOpen(undefined)} />}
      {open === 'delete' && (
        <ConfirmDelete
          what="cluster"
          name={name}
          goes={goesWith(cluster)}
          stays="The audit of the project keeps who has deleted it."
          onClose={() => setOpen(undefined)}
          onConfirm={async () => {
            await result(http.DELETE('/api/v1/projects/{project}/clusters/{name}', { params: { path }, headers: anyVersion }));
            void navigate({ to: `/projects/${project}/clusters` });
          }}
        />
      )}
    </>
  );
}
