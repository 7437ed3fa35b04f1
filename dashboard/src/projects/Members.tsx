// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Select, Tabs, TextInput } from '@mantine/core';
import { useParams } from '@tanstack/react-router';
import { Plus, Users } from 'lucide-react';
import { useState } from 'react';
import { api, http, result, type Schema } from '../api';
import { useRights } from '../me';
import { ConfirmDelete } from '../ui/ConfirmDelete';
import { FormModal } from '../ui/Form';
import { Page } from '../ui/Page';
import { ResourceTable } from '../ui/ResourceTable';
import { RowMenu } from '../ui/RowMenu';
import { Empty } from '../ui/States';
import { tell } from '../ui/tell';

type Member = Schema<'ProjectMember'>;
type Kind = NonNullable<Member['kind']>;

const roles = ['Owner', 'Editor', 'Viewer'];
const kinds: Record<Kind, string> = { User: 'People', Group: 'Groups', ServiceAccount: 'Service accounts' };

/** Members are who may do what here: people, groups of the issuer, and machines. */
export function Members() {
  const { project = '' } = useParams({ strict: false });
  const reading = api.useQuery('get', '/api/v1/projects/{project}/members', { params: { path: { project } } });
  const rights = useRights(project);
  const [kind, setKind] = useState<Kind>('User');
  const [adding, add] = useState(false);
  const [removing, remove] = useState<Member>();
  const why = rights.own ? undefined : rights.why;
  const of = (wanted: Kind) => reading.data?.items.filter((member) => (member.kind ?? 'User') === wanted) ?? [];
  const button = (
    <Button leftSection={<Plus size={15} />} disabled={!rights.own} title={why} onClick={() => add(true)}>
      Add member
    </Button>
  );
  const setRole = (member: Member, role: string | null) =>
    role &&
    tell(
      result(
        http.PUT('/api/v1/projects/{project}/members/{member}', { params: { path: { project, member: member.id ?? '' } }, body: { role } }),
      ),
    );
  return (
    <Page
      title="Members"
      sub="Owners decide about everything, editors work with clusters, viewers look."
      crumbs={[{ label: project, to: `/projects/${project}` }]}
      actions={button}
    >
      <div className="card">
        <Tabs value={kind} onChange={(value) => setKind(value as Kind)} keepMounted={false}>
          <Tabs.List px="xs">
            {(Object.keys(kinds) as Kind[]).map((key) => (
              <Tabs.Tab key={key} value={key}>
                {kinds[key]} {of(key).length > 0 && <span style={{ color: 'var(--mantine-color-dimmed)' }}>{of(key).length}</span>}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value={kind}>
            <ResourceTable
              label={kinds[kind]}
              reading={{ ...reading, data: reading.data && { items: of(kind) } }}
              keyOf={(member) => member.id ?? member.name}
              empty={
                <Empty icon={<Users size={28} />} title={`No ${kinds[kind].toLowerCase()}`} action={button}>
                  {kind === 'Group'
                    ? 'A group of your issuer gives its people a role here, as long as they are in it.'
                    : 'Whoever is added has the role at once, in the project and in its clusters.'}
                </Empty>
              }
              columns={[
                { title: 'Name', cell: (member) => <b style={{ fontWeight: 550 }}>{member.name}</b> },
                {
                  title: 'Role',
                  width: 200,
                  cell: (member) => (
                    <Select
                      size="xs"
                      w={150}
                      aria-label={`Role of ${member.name}`}
                      disabled={!rights.own}
                      allowDeselect={false}
                      value={member.role}
                      data={[...new Set([...roles, member.role])]}
                      onChange={(role) => void setRole(member, role)}
                    />
                  ),
                },
                {
                  title: '',
                  right: true,
                  width: 60,
                  cell: (member) => (
                    <RowMenu name={member.name} why={why} actions={[{ label: 'Remove', danger: true, onClick: () => remove(member) }]} />
                  ),
                },
              ]}
            />
          </Tabs.Panel>
        </Tabs>
      </div>
      {adding && <AddMember project={project} first={kind} onClose={() => add(false)} />}
      {removing && (
        <ConfirmDelete
          verb="Remove"
          what="member"
          name={removing.name}
          goes={['the role in this project, and in all of its clusters, at once']}
          stays="What this member has made stays."
          onClose={() => remove(undefined)}
          onConfirm={() =>
            result(http.DELETE('/api/v1/projects/{project}/members/{member}', { params: { path: { project, member: removing.id ?? '' } } }))
          }
        />
      )}
    </Page>
  );
}

function AddMember({ project, first, onClose }: { project: string; first: Kind; onClose: () => void }) {
  const [kind, setKind] = useState<Kind>(first);
  const [name, setName] = useState('');
  const [role, setRole] = useState('Editor');
  const body: Member = { kind, name: name.trim(), role, ...(kind === 'ServiceAccount' ? { namespace: `project-${project}` } : {}) };
  const hints: Record<Kind, string> = {
    User: 'The e-mail address with which the person signs in.',
    Group: 'As the issuer calls it.',
    ServiceAccount: 'A service account of this project.',
  };
  return (
    <FormModal
      title="Add a member"
      submit="Add member"
      fields={['name', 'role', 'kind']}
      onClose={onClose}
      action={() => result(http.POST('/api/v1/projects/{project}/members', { params: { path: { project } }, body: body as never }))}
    >
      {(errors) => (
        <>
          <Select
            label="Who"
            allowDeselect={false}
            value={kind}
            error={errors.kind}
            onChange={(value) => setKind(value as Kind)}
            data={[
              { value: 'User', label: 'A person' },
              { value: 'Group', label: 'A group' },
              { value: 'ServiceAccount', label: 'A service account' },
            ]}
          />
          <TextInput
            label={kind === 'User' ? 'E-mail' : 'Name'}
            description={hints[kind]}
            data-autofocus
            value={name}
            error={errors.name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Select
            label="Role"
            allowDeselect={false}
            value={role}
            error={errors.role}
            onChange={(value) => setRole(value ?? 'Viewer')}
            data={roles}
          />
        </>
      )}
    </FormModal>
  );
}
