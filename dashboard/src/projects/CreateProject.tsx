// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { http, result } from '../api';
import { useSelf } from '../me';
import { FormModal } from '../ui/Form';

/** CreateProject makes a project whose owner is who makes it. */
export function CreateProject({ onClose }: { onClose: () => void }) {
  const self = useSelf();
  const navigate = useNavigate();
  const [name, setName] = useState('');
  const [displayName, setDisplayName] = useState('');
  const action = async () => {
    const members = self ? [{ kind: 'User' as const, name: self.name, role: 'Owner' }] : [];
    await result(
      http.POST('/api/v1/projects', { body: { metadata: { name }, spec: { ...(displayName ? { displayName } : {}), members } } as never }),
    );
    void navigate({ to: '/projects/$project', params: { project: name } });
  };
  return (
    <FormModal
      title="Create a project"
      submit="Create project"
      action={action}
      fields={['metadata.name', 'spec.displayName']}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="Name"
            description="Part of addresses; it cannot be changed."
            data-autofocus
            value={name}
            error={errors['metadata.name']}
            onChange={(event) => setName(event.currentTarget.value.toLowerCase())}
          />
          <TextInput
            label="Display name"
            value={displayName}
            error={errors['spec.displayName']}
            onChange={(event) => setDisplayName(event.currentTarget.value)}
          />
        </>
      )}
    </FormModal>
  );
}
