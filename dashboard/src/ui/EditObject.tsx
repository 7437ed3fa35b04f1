// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import schemas from 'virtual:schemas';
import { SegmentedControl, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import { parse, stringify } from 'yaml';
import { FormModal } from './Form';
import { type Look, SchemaForm } from './SchemaForm';
import { placesOf, type Values } from './schema.model';
import { declared } from './YamlView';

/** FormOf says which schema the spec of an object has, and how the form looks. */
export interface FormOf extends Look {
  schema: string;
}

type Edited = { metadata?: Values & { name?: string }; spec?: Values };

/** EditObject changes an object in a form, or as text. save sends it; what the platform refuses is shown, and nothing is lost. */
export default function EditObject({
  title,
  object,
  form,
  fresh,
  save,
  onClose,
}: {
  title: string;
  object: object;
  /** form is what the form is made of; none: there is text only. */
  form?: FormOf;
  /** fresh objects get their name here. */
  fresh?: boolean;
  save: (object: never) => Promise<unknown>;
  onClose: () => void;
}) {
  const [edited, edit] = useState<Edited>(() => declared(object) as Edited);
  const [text, setText] = useState(() => (form ? undefined : stringify(declared(object), { lineWidth: 0 })));
  const [broken, setBroken] = useState('');
  const schema = form && schemas[form.schema];
  const asForm = schema && text === undefined;
  const seen = (place: string) => !place.split('.').some((key) => form?.hide?.includes(key));
  const turn = (to: string) => {
    if (to === 'yaml') {
      setText(stringify(edited, { lineWidth: 0 }));
      return;
    }
    try {
      edit(parse(text ?? '') as Edited);
      setText(undefined);
      setBroken('');
    } catch (error) {
      setBroken(String(error instanceof Error ? error.message : error));
    }
  };
  return (
    <FormModal
      title={title}
      submit="Save"
      size={text === undefined ? 'lg' : 'xl'}
      noValidate
      action={async () => save((text === undefined ? edited : parse(text)) as never)}
      fields={asForm ? placesOf(schema).filter(seen) : []}
      onClose={onClose}
    >
      {(errors) => (
        <>
          {schema && (
            <SegmentedControl
              size="xs"
              style={{ alignSelf: 'flex-start' }}
              aria-label="How to edit"
              value={text === undefined ? 'form' : 'yaml'}
              onChange={turn}
              data={[
                { value: 'form', label: 'Form' },
                { value: 'yaml', label: 'YAML' },
              ]}
            />
          )}
          {asForm ? (
            <>
              {fresh && (
                <TextInput
                  label="Name"
                  description="It cannot be changed."
                  withAsterisk
                  data-autofocus
                  value={edited.metadata?.name ?? ''}
                  error={errors['metadata.name']}
                  onChange={(event) => edit({ ...edited, metadata: { ...edited.metadata, name: event.currentTarget.value } })}
                />
              )}
              <SchemaForm
                schema={schema}
                value={edited.spec}
                path="spec"
                errors={errors}
                look={form}
                onChange={(spec) => edit({ ...edited, spec })}
              />
            </>
          ) : (
            <Textarea
              aria-label="YAML"
              data-autofocus
              autosize
              minRows={12}
              maxRows={28}
              value={text}
              error={broken}
              styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 12.5 } }}
              onChange={(event) => setText(event.currentTarget.value)}
            />
          )}
        </>
      )}
    </FormModal>
  );
}
