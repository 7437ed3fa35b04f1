// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button } from '@mantine/core';
import { Plus } from 'lucide-react';
import { lazy, type ReactNode, Suspense, useState } from 'react';
import { api } from '../api';
import { useSelf } from '../me';
import { ConfirmDelete } from '../ui/ConfirmDelete';
import type { FormOf } from '../ui/EditObject';
import { Page } from '../ui/Page';
import { type Column, type Reading, ResourceTable } from '../ui/ResourceTable';
import { type RowAction, RowMenu } from '../ui/RowMenu';
import { Empty } from '../ui/States';

const EditObject = lazy(() => import('../ui/EditObject'));

interface Named {
  metadata?: { name?: string; resourceVersion?: string };
}

/** Writes are how a kind is changed; each throws the problem of a refusal. */
export interface Writes<T> {
  create: (object: T) => Promise<unknown>;
  replace: (old: T, object: T) => Promise<unknown>;
  remove: (object: T) => Promise<unknown>;
}

/** Objects is the page of a kind that administrators look after: a list, and each object as a form and as text. */
export function Objects<T extends Named>({
  title,
  sub,
  noun,
  icon,
  reading,
  columns,
  writes,
  form,
  blank,
  empty,
  goes,
  actions,
  above,
}: {
  title: string;
  sub: string;
  noun: string;
  icon: ReactNode;
  reading: Reading<T>;
  columns: Column<T>[];
  writes: Writes<T>;
  form: FormOf;
  blank: object;
  empty: string;
  goes: (object: T) => ReactNode[];
  actions?: (object: T) => RowAction[];
  above?: ReactNode;
}) {
  const self = useSelf();
  const [editing, edit] = useState<T | 'new'>();
  const [removing, remove] = useState<T>();
  const why = self?.admin ? undefined : 'Only administrators change this.';
  const button = (
    <Button leftSection={<Plus size={15} />} disabled={!!why} title={why} onClick={() => edit('new')}>
      Add {noun}
    </Button>
  );
  const name = (object: T) => object.metadata?.name ?? '';
  const menu: Column<T> = {
    title: '',
    right: true,
    width: 60,
    cell: (object) => (
      <RowMenu
        name={name(object)}
        why={why}
        actions={[
          ...(actions?.(object) ?? []),
          { label: 'Edit', onClick: () => edit(object) },
          { label: 'Delete', danger: true, onClick: () => remove(object) },
        ]}
      />
    ),
  };
  return (
    <Page title={title} sub={sub} crumbs={[{ label: 'Platform', to: '/admin' }]} actions={button}>
      {above}
      <div className="card">
        <ResourceTable
          label={title}
          reading={reading}
          columns={[...columns, menu]}
          keyOf={name}
          empty={
            <Empty icon={icon} title={`No ${title.toLowerCase()}`} action={button}>
              {empty}
            </Empty>
          }
        />
      </div>
      {editing && (
        <Suspense>
          <EditObject
            title={editing === 'new' ? `Add ${noun}` : `Edit ${name(editing)}`}
            object={editing === 'new' ? blank : editing}
            form={form}
            fresh={editing === 'new'}
            save={(object: T) => (editing === 'new' ? writes.create(object) : writes.replace(editing, object))}
            onClose={() => edit(undefined)}
          />
        </Suspense>
      )}
      {removing && (
        <ConfirmDelete
          what={noun}
          name={name(removing)}
          goes={goes(removing)}
          onClose={() => remove(undefined)}
          onConfirm={() => writes.remove(removing)}
        />
      )}
    </Page>
  );
}

/** useProjectNames are the projects that something can be for. */
export function useProjectNames(): string[] {
  const projects = api.useQuery('get', '/api/v1/projects', { params: { query: { pageSize: 500 } } });
  return (projects.data?.items ?? []).map((project) => project.metadata?.name ?? '');
}
