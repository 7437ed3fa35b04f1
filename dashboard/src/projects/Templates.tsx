// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import { LayoutTemplate, Plus } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import { anyVersion, api, http, ifUnchanged, result, type Schema } from '../api';
import { count } from '../format';
import { useRights } from '../me';
import { ConfirmDelete } from '../ui/ConfirmDelete';
import { Age } from '../ui/Now';
import { Page } from '../ui/Page';
import { ResourceTable } from '../ui/ResourceTable';
import { RowMenu } from '../ui/RowMenu';
import { Empty } from '../ui/States';

const EditObject = lazy(() => import('../ui/EditObject'));
type Template = Schema<'ClusterTemplate'>;

const blank = {
  apiVersion: 'canopy.dev/v1alpha1',
  kind: 'ClusterTemplate',
  metadata: { name: 'standard' },
  spec: {
    description: '',
    cluster: { datacenter: '', version: '' },
    nodePools: [{ name: 'workers', replicas: 1, provider: { local: {} } }],
  },
};

/** Templates are clusters to be made again and again. */
export function Templates() {
  const { project = '' } = useParams({ strict: false });
  const reading = api.useQuery('get', '/api/v1/projects/{project}/templates', { params: { path: { project }, query: { pageSize: 200 } } });
  const rights = useRights(project);
  const [editing, edit] = useState<Template | 'new'>();
  const [removing, remove] = useState<string>();
  const why = rights.edit ? undefined : rights.why;
  const button = (
    <Button leftSection={<Plus size={15} />} disabled={!rights.edit} title={why} onClick={() => edit('new')}>
      Create template
    </Button>
  );
  const path = (name: string) => ({ project, name });
  const save = (object: Template) =>
    editing === 'new'
      ? result(http.POST('/api/v1/projects/{project}/templates', { params: { path: { project } }, body: object as never }))
      : result(
          http.PUT('/api/v1/projects/{project}/templates/{name}', {
            params: { path: path(editing?.metadata?.name ?? '') },
            body: object as never,
            headers: ifUnchanged(editing ?? {}),
          }),
        );
  return (
    <Page
      title="Templates"
      sub="A cluster with its pools, to be made again and again."
      crumbs={[{ label: project, to: `/projects/${project}` }]}
      actions={button}
    >
      <div className="card">
        <ResourceTable
          label="Templates"
          reading={reading}
          keyOf={(template) => template.metadata?.name ?? ''}
          empty={
            <Empty icon={<LayoutTemplate size={28} />} title="No templates" action={button}>
              Write down once what a good cluster is, and everybody makes the same.
            </Empty>
          }
          columns={[
            { title: 'Name', cell: (template) => <b style={{ fontWeight: 550 }}>{template.metadata?.name}</b> },
            {
              title: 'What it is',
              cell: (template) => (
                <span className="wrap">
                  {template.spec.description ||
                    `${template.spec.cluster.version} in ${template.spec.cluster.datacenter}, ${count(template.spec.nodePools?.length ?? 0, 'pool')}`}
                </span>
              ),
            },
            { title: 'Version', cell: (template) => template.spec.cluster.version },
            { title: 'Age', right: true, cell: (template) => <Age time={template.metadata?.creationTimestamp} /> },
            {
              title: 'Use',
              width: 90,
              cell: (template) => (
                <Button
                  component={Link}
                  to={`/projects/${project}/clusters/new?template=${template.metadata?.name}`}
                  size="compact-sm"
                  variant="default"
                  disabled={!rights.edit}
                >
                  Use
                </Button>
              ),
            },
            {
              title: '',
              right: true,
              width: 60,
              cell: (template) => (
                <RowMenu
                  name={template.metadata?.name ?? ''}
                  why={why}
                  actions={[
                    { label: 'Edit', onClick: () => edit(template) },
                    { label: 'Delete', danger: true, onClick: () => remove(template.metadata?.name) },
                  ]}
                />
              ),
            },
          ]}
        />
      </div>
      {editing && (
        <Suspense>
          <EditObject
            title={editing === 'new' ? 'Create a template' : `Edit ${editing.metadata?.name}`}
            object={editing === 'new' ? blank : editing}
            save={save}
            onClose={() => edit(undefined)}
          />
        </Suspense>
      )}
      {removing && (
        <ConfirmDelete
          what="template"
          name={removing}
          goes={['the template']}
          stays="Clusters that were made of it stay as they are."
          onClose={() => remove(undefined)}
          onConfirm={() =>
            result(http.DELETE('/api/v1/projects/{project}/templates/{name}', { params: { path: path(removing) }, headers: anyVersion }))
          }
        />
      )}
    </Page>
  );
}
