// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Alert, Button, Select, TextInput } from '@mantine/core';
import { useParams } from '@tanstack/react-router';
import { Plus, UserCog } from 'lucide-react';
import { useState } from 'react';
import { anyVersion, api, http, queryClient, result, type Schema } from '../api';
import { shortTime } from '../format';
import { useRights } from '../me';
import { ConfirmDelete } from '../ui/ConfirmDelete';
import { Copy } from '../ui/Copy';
import { FormModal } from '../ui/Form';
import { Age } from '../ui/Now';
import { Page, Section } from '../ui/Page';
import { ResourceTable } from '../ui/ResourceTable';
import { RowMenu } from '../ui/RowMenu';
import { Empty, Failed, Loading } from '../ui/States';

const accountsPath = '/api/v1/projects/{project}/serviceaccounts';
const tokensPath = '/api/v1/projects/{project}/serviceaccounts/{name}/tokens';

/** reread asks for lists again that no stream tells of. */
const reread = (path: string) => queryClient.invalidateQueries({ queryKey: ['get', path] });

/** ServiceAccounts are members that are machines, and their tokens. */
export function ServiceAccounts() {
  const { project = '' } = useParams({ strict: false });
  const reading = api.useQuery('get', accountsPath, { params: { path: { project }, query: { pageSize: 100 } } });
  const rights = useRights(project);
  const [adding, add] = useState(false);
  const button = (
    <Button leftSection={<Plus size={15} />} disabled={!rights.own} title={rights.own ? undefined : rights.why} onClick={() => add(true)}>
      Create service account
    </Button>
  );
  const accounts = (reading.data?.items ?? []).filter((account) => account.metadata?.name !== 'default');
  return (
    <Page
      title="Service accounts"
      sub="For pipelines and programs. Make one a member to give it a role."
      crumbs={[{ label: project, to: `/projects/${project}` }]}
      actions={button}
    >
      {reading.error ? <Failed error={reading.error} retry={() => void reading.refetch()} /> : null}
      {reading.isPending && <Loading />}
      {reading.data && accounts.length === 0 && (
        <div className="card">
          <Empty icon={<UserCog size={28} />} title="No service accounts" action={button}>
            A program signs in with a token of a service account. Tokens end by themselves, and each can be revoked.
          </Empty>
        </div>
      )}
      {accounts.map((account) => (
        <Account key={account.metadata?.name} project={project} name={account.metadata?.name ?? ''} />
      ))}
      {adding && <AddAccount project={project} onClose={() => add(false)} />}
    </Page>
  );
}

function Account({ project, name }: { project: string; name: string }) {
  const path = { project, name };
  const rights = useRights(project);
  const tokens = api.useQuery('get', tokensPath, { params: { path } });
  const [open, setOpen] = useState<'token' | 'delete'>();
  const [revoking, revoke] = useState<Schema<'Token'>>();
  const why = rights.own ? undefined : rights.why;
  return (
    <Section
      title={name}
      flush
      actions={
        <>
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<Plus size={13} />}
            disabled={!rights.own}
            title={why}
            onClick={() => setOpen('token')}
          >
            New token
          </Button>
          <RowMenu name={name} why={why} actions={[{ label: 'Delete service account', danger: true, onClick: () => setOpen('delete') }]} />
        </>
      }
    >
      <ResourceTable
        label={`Tokens of ${name}`}
        reading={tokens}
        keyOf={(token) => token.id}
        empty={<p style={{ margin: 0, padding: '0 16px 16px', fontSize: 13, color: 'var(--mantine-color-dimmed)' }}>It has no token.</p>}
        columns={[
          { title: 'Token', cell: (token) => token.description || <span className="mono">{token.id}</span> },
          { title: 'Made by', cell: (token) => token.createdBy },
          {
            title: 'Last used',
            cell: (token) =>
              token.lastUsed ? (
                <>
                  <Age time={token.lastUsed} /> ago
                </>
              ) : (
                'never'
              ),
          },
          {
            title: 'Ends',
            cell: (token) => shortTime(token.expires),
          },
          {
            title: '',
            right: true,
            width: 60,
            cell: (token) => (
              <RowMenu name={token.id} why={why} actions={[{ label: 'Revoke', danger: true, onClick: () => revoke(token) }]} />
            ),
          },
        ]}
      />
      {open === 'token' && <NewToken project={project} name={name} onClose={() => setOpen(undefined)} />}
      {open === 'delete' && (
        <ConfirmDelete
          what="service account"
          name={name}
          goes={['all of its tokens, at once', 'its role in the project']}
          onClose={() => setOpen(undefined)}
          onConfirm={async () => {
            await result(http.DELETE('/api/v1/projects/{project}/serviceaccounts/{name}', { params: { path }, headers: anyVersion }));
            await reread(accountsPath);
          }}
        />
      )}
      {revoking && (
        <ConfirmDelete
          verb="Revoke"
          what="token"
          name={revoking.id}
          goes={['whoever uses it is out at once']}
          onClose={() => revoke(undefined)}
          onConfirm={async () => {
            await result(
              http.DELETE('/api/v1/projects/{project}/serviceaccounts/{name}/tokens/{token}', {
                params: { path: { ...path, token: revoking.id } },
              }),
            );
            await reread(tokensPath);
          }}
        />
      )}
    </Section>
  );
}

function AddAccount({ project, onClose }: { project: string; onClose: () => void }) {
  const [name, setName] = useState('');
  const action = async () => {
    await result(http.POST(accountsPath, { params: { path: { project } }, body: { metadata: { name } } as never }));
    await reread(accountsPath);
  };
  return (
    <FormModal title="Create a service account" submit="Create" fields={['metadata.name']} action={action} onClose={onClose}>
      {(errors) => (
        <TextInput
          label="Name"
          data-autofocus
          value={name}
          error={errors['metadata.name']}
          onChange={(event) => setName(event.currentTarget.value.toLowerCase())}
        />
      )}
    </FormModal>
  );
}

/** NewToken makes a token, and shows it once. */
function NewToken({ project, name, onClose }: { project: string; name: string; onClose: () => void }) {
  const [description, setDescription] = useState('');
  const [ttl, setTTL] = useState('12h');
  const [made, setMade] = useState<string>();
  const action = async () => {
    const token = await result(http.POST(tokensPath, { params: { path: { project, name } }, body: { description, ttl } }));
    void reread(tokensPath);
    setMade((token as Schema<'Token'>).token);
  };
  if (made) {
    return (
      <FormModal title={`Token of ${name}`} submit="I have it" fields={[]} action={async () => undefined} onClose={onClose}>
        {() => (
          <Alert color="yellow" title="It is shown this once">
            <span className="mono wrap">{made}</span> <Copy text={made} what="token" />
          </Alert>
        )}
      </FormModal>
    );
  }
  return (
    <FormModal title={`New token of ${name}`} submit="Make token" fields={['description', 'ttl']} stay action={action} onClose={onClose}>
      {(errors) => (
        <>
          <TextInput
            label="What for"
            data-autofocus
            value={description}
            error={errors.description}
            onChange={(event) => setDescription(event.currentTarget.value)}
          />
          <Select
            label="Ends after"
            allowDeselect={false}
            value={ttl}
            error={errors.ttl}
            onChange={(value) => setTTL(value ?? '12h')}
            data={[
              { value: '1h', label: '1 hour' },
              { value: '12h', label: '12 hours' },
              { value: '24h', label: '1 day' },
              { value: '720h', label: '30 days, where an administrator allows it' },
            ]}
          />
        </>
      )}
    </FormModal>
  );
}
