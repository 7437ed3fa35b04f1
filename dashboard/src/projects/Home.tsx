// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Group, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { CircleCheck, FolderKanban, Plus } from 'lucide-react';
import { useState } from 'react';
import { api, type Schema } from '../api';
import { count } from '../format';
import { useSelf } from '../me';
import { Age } from '../ui/Now';
import { Page, Section } from '../ui/Page';
import { Empty, Failed, Loading } from '../ui/States';
import { Status } from '../ui/Status';
import { CreateProject } from './CreateProject';
import { concerns } from './model';

/** Home shows what needs somebody, and the projects. */
export function Home() {
  const self = useSelf();
  const [creating, create] = useState(false);
  const projects = api.useQuery('get', '/api/v1/projects', { params: { query: { pageSize: 100 } } });
  const button = self?.admin && (
    <Button leftSection={<Plus size={15} />} onClick={() => create(true)}>
      Create project
    </Button>
  );
  return (
    <Page title="Home" actions={button || undefined}>
      <Attention />
      <Section title="Projects" sub={projects.data ? count(projects.data.totalSize ?? 0, 'project') : undefined}>
        {projects.error ? <Failed error={projects.error} retry={() => void projects.refetch()} /> : null}
        {projects.isPending && <Loading rows={3} />}
        {projects.data?.items.length === 0 && (
          <Empty icon={<FolderKanban size={28} />} title="No projects yet" action={button || undefined}>
            {self?.admin
              ? 'A project is a team with its clusters, members and quota.'
              : 'You are no member of a project yet. Ask an owner to add you by your e-mail address.'}
          </Empty>
        )}
        <div style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fill, minmax(270px, 1fr))', gap: 12 }}>
          {projects.data?.items.map((project) => (
            <ProjectCard key={project.metadata?.name} project={project} />
          ))}
        </div>
      </Section>
      {creating && <CreateProject onClose={() => create(false)} />}
    </Page>
  );
}

function ProjectCard({ project }: { project: Schema<'Project'> }) {
  const name = project.metadata?.name ?? '';
  const self = useSelf();
  const roles = self?.projects.find((membership) => membership.name === name)?.roles ?? [];
  return (
    <Link to="/projects/$project" params={{ project: name }} className="choice" style={{ textDecoration: 'none' }}>
      <Group justify="space-between" wrap="nowrap">
        <Text fw={600} truncate>
          {project.spec?.displayName || name}
        </Text>
        <Text size="xs" c="dimmed">
          {roles.join(', ')}
        </Text>
      </Group>
      <Text size="sm" c="dimmed" className="mono">
        {name}
      </Text>
      <Text size="sm" mt={8}>
        {count(project.status?.clusters ?? 0, 'cluster')} · {count(project.spec?.members?.length ?? 0, 'member')}
      </Text>
    </Link>
  );
}

function Attention() {
  const self = useSelf();
  const waiting = api.useQuery('get', '/api/v1/clusters', { params: { query: { pageSize: 100, ready: 'False' } } });
  const unknown = api.useQuery('get', '/api/v1/clusters', { params: { query: { pageSize: 100, ready: 'Unknown' } } });
  const ready = api.useQuery('get', '/api/v1/clusters', { params: { query: { pageSize: 500, ready: 'True' } } });
  const seeds = api.useQuery(
    'get',
    '/api/v1/seeds',
    { params: { query: { pageSize: 100 } } },
    { enabled: !!(self?.admin || self?.globalViewer) },
  );
  const error = waiting.error ?? unknown.error ?? ready.error;
  const found = concerns(
    [...(waiting.data?.items ?? []), ...(unknown.data?.items ?? []), ...(ready.data?.items ?? [])],
    seeds.data?.items ?? [],
  );
  return (
    <Section title="Needs attention" flush={found.length > 0}>
      {error ? <Failed error={error} /> : null}
      {!waiting.data && !error && <Loading rows={2} />}
      {waiting.data && found.length === 0 && (
        <Group gap="sm" data-tone="good">
          <CircleCheck size={18} className="tone" />
          <Text>Everything is as it should be.</Text>
        </Group>
      )}
      {found.slice(0, 12).map((concern) => (
        <Link
          key={concern.key}
          to={concern.to}
          className="nav"
          style={{ borderRadius: 0, padding: '9px 16px', borderTop: '1px solid var(--canopy-line)', alignItems: 'baseline' }}
        >
          <span style={{ minWidth: 210 }}>
            <Status tone={concern.tone} label={<b style={{ fontWeight: 550 }}>{concern.title}</b>} />
          </span>
          <span className="wrap" style={{ flex: 1 }}>
            {concern.text}
          </span>
          {concern.since && (
            <Text size="xs" c="dimmed">
              <Age time={concern.since} />
            </Text>
          )}
        </Link>
      ))}
      {found.length > 12 && (
        <Text size="sm" c="dimmed" px="md" py={8}>
          and {found.length - 12} more: see the{' '}
          <Link to="/clusters" search={{ ready: 'False' }}>
            clusters that are not ready
          </Link>
        </Text>
      )}
    </Section>
  );
}
