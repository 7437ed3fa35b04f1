// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import { Layers, Plus } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import { anyVersion, api, http, ifUnchanged, result, type Schema } from '../api';
import { useRights } from '../me';
import { ConfirmDelete } from '../ui/ConfirmDelete';
import { find, toneOf } from '../ui/conditions.model';
import { Age } from '../ui/Now';
import { Page } from '../ui/Page';
import { ResourceTable } from '../ui/ResourceTable';
import { RowMenu } from '../ui/RowMenu';
import { Empty } from '../ui/States';
import { Status } from '../ui/Status';
import { words } from '../ui/words';
import { planOf } from './sets.model';

const EditObject = lazy(() => import('../ui/EditObject'));
type ClusterSet = Schema<'ClusterSet'>;

const blank = { apiVersion: 'canopy.dev/v1alpha1', kind: 'ClusterSet', metadata: { name: '' }, spec: {} };

export function SetStatus({ set }: { set: ClusterSet }) {
  const ready = find(set.status?.conditions, 'Ready');
  if (!ready) return <Status tone="busy" label="Pending" />;
  return <Status tone={toneOf(ready)} label={ready.status === 'True' ? 'Ready' : words(ready.reason)} why={ready.message} />;
}

/** EditSet makes a set, or changes it. */
export function EditSet({ project, set, onClose }: { project: string; set: ClusterSet | 'new'; onClose: () => void }) {
  const save = (object: ClusterSet) =>
    set === 'new'
      ? result(http.POST('/api/v1/projects/{project}/clustersets', { params: { path: { project } }, body: object as never }))
      : result(
          http.PUT('/api/v1/projects/{project}/clustersets/{name}', {
            params: { path: { project, name: set.metadata?.name ?? '' } },
            body: object as never,
            headers: ifUnchanged(set),
          }),
        );
  return (
    <Suspense>
      <EditObject
        title={set === 'new' ? 'Create a cluster set' : `Edit ${set.metadata?.name}`}
        object={set === 'new' ? blank : set}
        form={{
          schema: 'ClusterSetSpec',
          first: ['template', 'clusters', 'rollout'],
          hide: ['revision'],
        }}
        fresh={set === 'new'}
        save={save}
        onClose={onClose}
      />
    </Suspense>
  );
}

/** ClusterSets are clusters that follow a template. */
export function ClusterSets() {
  const { project = '' } = useParams({ strict: false });
  const reading = api.useQuery('get', '/api/v1/projects/{project}/clustersets', {
    params: { path: { project }, query: { pageSize: 200 } },
  });
  const rights = useRights(project);
  const [editing, edit] = useState<ClusterSet | 'new'>();
  const [removing, remove] = useState<string>();
  const why = rights.edit ? undefined : rights.why;
  const button = (
    <Button leftSection={<Plus size={15} />} disabled={!rights.edit} title={why} onClick={() => edit('new')}>
      Create cluster set
    </Button>
  );
  return (
    <Page
      title="Cluster sets"
      sub="Clusters that are made of one template and follow it, some at a time, when somebody has approved the plan."
      crumbs={[{ label: project, to: `/projects/${project}` }]}
      actions={button}
    >
      <div className="card">
        <ResourceTable
          label="Cluster sets"
          reading={reading}
          keyOf={(set) => set.metadata?.name ?? ''}
          empty={
            <Empty icon={<Layers size={28} />} title="No cluster sets" action={button}>
              For many clusters that shall stay alike: change the template once, look at the plan, and let it roll out.
            </Empty>
          }
          columns={[
            {
              title: 'Name',
              cell: (set) => (
                <Link className="name" to="/projects/$project/clustersets/$set" params={{ project, set: set.metadata?.name ?? '' }}>
                  {set.metadata?.name}
                </Link>
              ),
            },
            { title: 'Status', cell: (set) => <SetStatus set={set} /> },
            {
              title: 'Template',
              cell: (set) => `${set.spec.template.name}${set.spec.template.scope === 'Platform' ? ' of the platform' : ''}`,
            },
            {
              title: 'As the template says',
              cell: (set) => (
                <span className="number">
                  {set.status?.upToDate ?? 0} of {set.status?.total ?? set.spec.clusters?.length ?? 0}
                </span>
              ),
            },
            { title: 'Plan', cell: (set) => (planOf(set) ? <Status tone="warn" label="waits for approval" /> : '–') },
            { title: 'Age', right: true, cell: (set) => <Age time={set.metadata?.creationTimestamp} /> },
            {
              title: '',
              right: true,
              width: 60,
              cell: (set) => (
                <RowMenu
                  name={set.metadata?.name ?? ''}
                  why={why}
                  actions={[
                    { label: 'Edit', onClick: () => edit(set) },
                    { label: 'Delete', danger: true, onClick: () => remove(set.metadata?.name) },
                  ]}
                />
              ),
            },
          ]}
        />
      </div>
      {editing && <EditSet project={project} set={editing} onClose={() => edit(undefined)} />}
      {removing && (
        <ConfirmDelete
          what="cluster set"
          name={removing}
          goes={['the set: nothing follows the template any more']}
          stays="Its clusters stay as they are."
          onClose={() => remove(undefined)}
          onConfirm={() =>
            result(
              http.DELETE('/api/v1/projects/{project}/clustersets/{name}', {
                params: { path: { project, name: removing } },
                headers: anyVersion,
              }),
            )
          }
        />
      )}
    </Page>
  );
}
