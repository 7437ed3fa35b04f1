// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Group, List, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Failed } from './States';

/** ConfirmDelete shows what will go, and asks for the name. */
export function ConfirmDelete({
  what,
  name,
  goes,
  stays,
  note,
  onClose,
  onConfirm,
  verb = 'Delete',
}: {
  what: string;
  name: string;
  goes: ReactNode[];
  stays?: ReactNode;
  note?: ReactNode;
  verb?: string;
  onClose: () => void;
  onConfirm: () => Promise<unknown>;
}) {
  const [typed, type] = useState('');
  const mutation = useMutation({ mutationFn: onConfirm, onSuccess: onClose });
  return (
    <Modal opened onClose={onClose} title={<b>{`${verb} ${what} ${name}?`}</b>}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (typed === name) mutation.mutate();
        }}
      >
        <Stack gap="sm">
          {goes.length > 0 && (
            <div>
              <Text size="sm" fw={550} mb={4}>
                This will be gone for good:
              </Text>
              <List size="sm" spacing={2}>
                {goes.map((item, i) => (
                  <List.Item key={i}>{item}</List.Item>
                ))}
              </List>
            </div>
          )}
          {stays && <Text size="sm">{stays}</Text>}
          {note}
          <TextInput
            label={
              <>
                Type <span className="mono">{name}</span> to confirm
              </>
            }
            value={typed}
            onChange={(event) => type(event.currentTarget.value)}
            autoComplete="off"
            data-autofocus
          />
          {mutation.error && <Failed error={mutation.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button color="red.8" type="submit" disabled={typed !== name} loading={mutation.isPending}>
              {verb} {what}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
