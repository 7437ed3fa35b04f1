// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Textarea, TextInput } from '@mantine/core';
import { useParams } from '@tanstack/react-router';
import { KeyRound, Plus } from 'lucide-react';
import { useState } from 'react';
import { anyVersion, api, http, result } from '../api';
import { useRights } from '../me';
import { ConfirmDelete } from '../ui/ConfirmDelete';
import { Copy } from '../ui/Copy';
import { find } from '../ui/conditions.model';
import { FormModal } from '../ui/Form';
import { Age } from '../ui/Now';
import { Page } from '../ui/Page';
import { ResourceTable } from '../ui/ResourceTable';
import { RowMenu } from '../ui/RowMenu';
import { Empty } from '../ui/States';
import { Status } from '../ui/Status';

/** SSHKeys are public keys that clusters can let in to their machines. */
export function SSHKeys() {
  const { project = '' } = useParams({ strict: false });
  const reading = api.useQuery('get', '/api/v1/projects/{project}/sshkeys', { params: { path: { project }, query: { pageSize: 200 } } });
  const rights = useRights(project);
  const [adding, add] = useState(false);
  const [removing, remove] = useState<string>();
  const why = rights.edit ? undefined : rights.why;
  const button = (
    <Button leftSection={<Plus size={15} />} disabled={!rights.edit} title={why} onClick={() => add(true)}>
      Add key
    </Button>
  );
  return (
    <Page
      title="SSH keys"
      sub="A cluster names the keys whose holders may log in to its machines."
      crumbs={[{ label: project, to: `/projects/${project}` }]}
      actions={button}
    >
      <div className="card">
        <ResourceTable
          label="SSH keys"
          reading={reading}
          keyOf={(key) => key.metadata?.name ?? ''}
          empty={
            <Empty icon={<KeyRound size={28} />} title="No SSH keys" action={button}>
              They are for looking at a machine itself. kubectl needs none.
            </Empty>
          }
          columns={[
            { title: 'Name', cell: (key) => <b style={{ fontWeight: 550 }}>{key.metadata?.name}</b> },
            { title: 'Type', cell: (key) => key.spec.publicKey.split(' ')[0] },
            {
              title: 'Fingerprint',
              cell: (key) => {
                const ready = find(key.status?.conditions, 'Ready');
                if (ready && ready.status !== 'True') return <Status tone="bad" label={ready.message} />;
                return key.status?.fingerprint ? (
                  <span>
                    <span className="mono wrap">{key.status.fingerprint}</span> <Copy text={key.status.fingerprint} what="fingerprint" />
                  </span>
                ) : (
                  '–'
                );
              },
            },
            { title: 'Age', right: true, cell: (key) => <Age time={key.metadata?.creationTimestamp} /> },
            {
              title: '',
              right: true,
              width: 60,
              cell: (key) => (
                <RowMenu
                  name={key.metadata?.name ?? ''}
                  why={why}
                  actions={[{ label: 'Delete', danger: true, onClick: () => remove(key.metadata?.name) }]}
                />
              ),
            },
          ]}
        />
      </div>
      {adding && <AddKey project={project} onClose={() => add(false)} />}
      {removing && (
        <ConfirmDelete
          what="SSH key"
          name={removing}
          goes={['the way in to machines of clusters that name it']}
          stays="Clusters that still name it say so until it is taken out of them."
          onClose={() => remove(undefined)}
          onConfirm={() =>
            result(
              http.DELETE('/api/v1/projects/{project}/sshkeys/{name}', {
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

function AddKey({ project, onClose }: { project: string; onClose: () => void }) {
  const [name, setName] = useState('');
  const [publicKey, setKey] = useState('');
  return (
    <FormModal
      title="Add an SSH key"
      submit="Add key"
      fields={['metadata.name', 'spec.publicKey']}
      onClose={onClose}
      action={() =>
        result(
          http.POST('/api/v1/projects/{project}/sshkeys', {
            params: { path: { project } },
            body: { metadata: { name }, spec: { publicKey: publicKey.trim() } } as never,
          }),
        )
      }
    >
      {(errors) => (
        <>
          <TextInput
            label="Name"
            data-autofocus
            value={name}
            error={errors['metadata.name']}
            onChange={(event) => setName(event.currentTarget.value.toLowerCase())}
          />
          <Textarea
            label="Public key"
            description="The content of a file such as ~/.ssh/id_ed25519.pub; never the private one."
            minRows={4}
            autosize
            value={publicKey}
            error={errors['spec.publicKey']}
            onChange={(event) => setKey(event.currentTarget.value)}
          />
        </>
      )}
    </FormModal>
  );
}
