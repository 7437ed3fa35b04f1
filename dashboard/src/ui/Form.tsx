// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Group, Modal, Stack } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { asProblem, fieldErrors } from '../problem';
import { Failed } from './States';

/** FormModal is a short form. What the server says of a field is passed to it; the rest is shown below. */
export function FormModal({
  title,
  submit,
  action,
  fields,
  stay,
  size,
  noValidate,
  onClose,
  children,
}: {
  title: string;
  submit: string;
  action: () => Promise<unknown>;
  /** fields are the places in the body that the form has fields for. */
  fields: string[];
  /** stay keeps the window when the action was done: there is something to be read still. */
  stay?: boolean;
  size?: string;
  /** noValidate leaves it to the server to say what is wrong. */
  noValidate?: boolean;
  onClose: () => void;
  children: (errors: Record<string, string>) => ReactNode;
}) {
  const mutation = useMutation({ mutationFn: action, onSuccess: stay ? undefined : onClose });
  const problem = mutation.error ? asProblem(mutation.error) : undefined;
  const told = problem ? fieldErrors(problem, fields) : { fields: {}, rest: [] };
  const allOnFields = problem?.errors?.length && told.rest.length === 0;
  return (
    <Modal opened onClose={onClose} title={<b>{title}</b>} size={size}>
      <form
        noValidate={noValidate}
        onSubmit={(event) => {
          event.preventDefault();
          mutation.mutate();
        }}
      >
        <Stack>
          {children(told.fields)}
          {problem && !allOnFields && <Failed error={problem} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={mutation.isPending}>
              {submit}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
