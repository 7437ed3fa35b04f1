// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Group, Modal, Stack, Textarea } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { parse, stringify } from 'yaml';
import { Failed } from './States';
import { declared } from './YamlView';

/** EditYaml changes an object as text. save sends it; what the platform refuses is shown, and the text stays. */
export default function EditYaml({
  title,
  object,
  save,
  onClose,
}: {
  title: string;
  object: object;
  save: (object: never) => Promise<unknown>;
  onClose: () => void;
}) {
  const [text, setText] = useState(() => stringify(declared(object), { lineWidth: 0 }));
  const mutation = useMutation({ mutationFn: async () => save(parse(text) as never), onSuccess: onClose });
  return (
    <Modal opened onClose={onClose} title={<b>{title}</b>} size="xl">
      <Stack>
        <Textarea
          aria-label="YAML"
          data-autofocus
          autosize
          minRows={12}
          maxRows={28}
          value={text}
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 12.5 } }}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {mutation.error && <Failed error={mutation.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button loading={mutation.isPending} onClick={() => mutation.mutate()}>
            Save
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
