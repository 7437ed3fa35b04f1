// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Group, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { api, http, mergePatch, result, type Schema } from '../api';
import { count } from '../format';
import { useRights } from '../me';
import { Conditions } from '../ui/Conditions';
import { Age } from '../ui/Now';
import { Facts, Page, Section } from '../ui/Page';
import { ResourceTable } from '../ui/ResourceTable';
import { Failed, Loading } from '../ui/States';
import { Status } from '../ui/Status';
import { words } from '../ui/words';
import { EditSet, SetStatus } from './ClusterSets';
import { planOf, toneOfState, written } from './sets.model';

type Member = NonNullable<NonNullable<Schema<'ClusterSet'>['status']>['clusters']>[number];

/** ClusterSet is one set: what its template would change where, and how far a rollout is. */
export function ClusterSet() {
  const { project = '', set: name = '' } = useParams({ strict: false }) as { project?: string; set?: string };
  const reading = api.useQuery('get', '/api/v1/projects/{project}/clustersets/{name}', { params: { path: { project, name } } });
  const rights = useRights(project);
  const [editing, edit] = useState(false);
  const crumbs = [
    { label: project, to: `/projects/${project}` },
    { label: 'Cluster sets', to: `/projects/${project}/clustersets` },
  ];
  const set = reading.data;
  if (!set)
    return (
      <Page title={name} crumbs={crumbs}>
        {reading.error ? <Failed error={reading.error} retry={() => void reading.refetch()} /> : <Loading />}
      </Page>
    );
  const { clusters = [], total = 0, upToDate = 0, lastChange, conditions } = set.status ?? {};
  const rollout = set.spec.rollout;
  return (
    <Page
      title={name}
      crumbs={crumbs}
      aside={<SetStatus set={set} />}
      actions={
        <Button variant="default" disabled={!rights.edit} title={rights.edit ? undefined : rights.why} onClick={() => edit(true)}>
          Edit
        </Button>
      }
    >
      <Plan project={project} set={set} />
      <Section title="Clusters" sub={`${upToDate} of ${count(total, 'cluster')} as the template says`} flush>
        <ResourceTable
          label="Clusters of the set"
          reading={{ data: { items: clusters }, error: null, isPending: false, refetch: () => undefined }}
          keyOf={(member) => member.name}
          empty={
            <Text c="dimmed" px="md" pb="md">
              There is none in the list yet.
            </Text>
          }
          columns={[
            {
              title: 'Name',
              width: 180,
              cell: (member) => (
                <Link className="name" to="/projects/$project/clusters/$cluster" params={{ project, cluster: member.name }}>
                  {member.name}
                </Link>
              ),
            },
            { title: 'State', width: 150, cell: (member) => <Status tone={toneOfState(member.state)} label={words(member.state)} /> },
            { title: 'What would change', cell: (member) => <Changes member={member} /> },
          ]}
        />
      </Section>
      <Section title="Rollout">
        <Facts
          facts={[
            ['Template', `${set.spec.template.name}${set.spec.template.scope === 'Platform' ? ' of the platform' : ''}`],
            ['At the same time', count(rollout?.maxUnavailable ?? 1, 'cluster')],
            ['Next ones after', `${rollout?.minReadySeconds ?? 30} s`],
            ['What was changed by hand', rollout?.overwrite ? 'is overwritten' : 'is left as it is'],
            ['Last change', lastChange ? <Age key="l" time={lastChange} /> : 'none yet'],
          ]}
        />
      </Section>
      <Section title="Conditions">
        <Conditions
          conditions={conditions}
          meanings={{ Ready: 'All clusters of the list are there, are ready, and are as the template says.' }}
        />
      </Section>
      {editing && <EditSet project={project} set={set} onClose={() => edit(false)} />}
    </Page>
  );
}

/** Plan offers to approve what the template would change now. Who approves has seen this revision, and no other. */
function Plan({ project, set }: { project: string; set: Schema<'ClusterSet'> }) {
  const rights = useRights(project);
  const plan = planOf(set);
  const approve = useMutation({
    mutationFn: (revision: string) =>
      result(
        http.PATCH('/api/v1/projects/{project}/clustersets/{name}', {
          params: { path: { project, name: set.metadata?.name ?? '' } },
          body: { spec: { rollout: { revision } } } as never,
          ...mergePatch,
        }),
      ),
  });
  if (!plan) return null;
  return (
    <section
      className="card"
      aria-label="Plan"
      data-tone="warn"
      style={{ padding: 16, marginBottom: 16, borderLeft: '3px solid var(--tone)' }}
    >
      <Text fw={550} size="lg">
        The template would change {count(plan.clusters, 'cluster')}
      </Text>
      <Text size="sm" c="dimmed" mb="sm">
        Nothing happens before somebody approves it. What would change is below; it is of revision{' '}
        <span className="mono">{plan.revision}</span>.
      </Text>
      <Group>
        <Button
          size="compact-sm"
          disabled={!rights.edit}
          title={rights.edit ? undefined : rights.why}
          loading={approve.isPending}
          onClick={() => approve.mutate(plan.revision)}
        >
          Approve and roll out
        </Button>
      </Group>
      {approve.error && <Failed error={approve.error} />}
    </section>
  );
}

function Changes({ member }: { member: Member }) {
  return (
    <div style={{ display: 'grid', gap: 3 }}>
      {member.message && <span className="wrap">{member.message}</span>}
      {member.changes?.map((change) => (
        <span key={change.field} className="wrap" style={{ fontSize: 12.5 }}>
          <span className="mono">{change.field}</span>: {written(change.from)} → <b style={{ fontWeight: 550 }}>{written(change.to)}</b>
          {change.changedBy && <span style={{ color: 'var(--mantine-color-dimmed)' }}> · changed by {change.changedBy}</span>}
        </span>
      ))}
      {!member.message && !member.changes?.length && <span style={{ color: 'var(--mantine-color-dimmed)' }}>nothing</span>}
    </div>
  );
}
