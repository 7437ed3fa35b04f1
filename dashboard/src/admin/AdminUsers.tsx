// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Group } from '@mantine/core';
import { UserCog } from 'lucide-react';
import { anyVersion, api, http, ifUnchanged, mergePatch, result, type Schema } from '../api';
import { Age } from '../ui/Now';
import { Chip } from '../ui/Status';
import { tell } from '../ui/tell';
import { Objects } from './Objects';

type User = Schema<'User'>;
const path = (user: User) => ({ name: user.metadata?.name ?? '' });

/** AdminUsers are who has signed in, and who may do what on the whole platform. */
export function AdminUsers() {
  const reading = api.useQuery('get', '/api/v1/users', { params: { query: { pageSize: 500 } } });
  const set = (user: User, spec: object) =>
    tell(result(http.PATCH('/api/v1/users/{name}', { params: { path: path(user) }, body: { spec } as never, ...mergePatch })));
  return (
    <Objects<User>
      title="Users"
      sub="Everybody who has signed in, or was given rights beforehand. Projects have members of their own."
      noun="user"
      icon={<UserCog size={28} />}
      reading={reading}
      form={{ schema: 'UserSpec' }}
      blank={{ apiVersion: 'canopy.dev/v1alpha1', kind: 'User', metadata: { name: '' }, spec: {} }}
      empty="Whoever signs in is here."
      writes={{
        create: (object) => result(http.POST('/api/v1/users', { body: object as never })),
        replace: (old, object) =>
          result(http.PUT('/api/v1/users/{name}', { params: { path: path(old) }, body: object as never, headers: ifUnchanged(old) })),
        remove: (object) => result(http.DELETE('/api/v1/users/{name}', { params: { path: path(object) }, headers: anyVersion })),
      }}
      goes={() => ['rights on the whole platform; memberships in projects stay until they are taken away']}
      actions={(user) => [
        {
          label: user.spec.admin ? 'Make no administrator any more' : 'Make administrator',
          onClick: () => void set(user, { admin: !user.spec.admin }),
        },
        {
          label: user.spec.globalViewer ? 'Let see own projects only' : 'Let see everything',
          onClick: () => void set(user, { globalViewer: !user.spec.globalViewer }),
        },
      ]}
      columns={[
        { title: 'E-mail', cell: (user) => <b style={{ fontWeight: 550 }}>{user.spec.email}</b> },
        {
          title: 'On the platform',
          cell: (user) => (
            <Group gap={6}>
              {user.spec.admin && <Chip tone="good">Administrator</Chip>}
              {user.spec.globalViewer && <Chip tone="busy">Sees everything</Chip>}
              {!user.spec.admin && !user.spec.globalViewer && <span style={{ color: 'var(--mantine-color-dimmed)' }}>–</span>}
            </Group>
          ),
        },
        {
          title: 'Projects',
          cell: (user) => user.status?.projects?.map((project) => `${project.name} (${project.role})`).join(', ') || '–',
        },
        { title: 'Since', right: true, cell: (user) => <Age time={user.metadata?.creationTimestamp} /> },
      ]}
    />
  );
}
