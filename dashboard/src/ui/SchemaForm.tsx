// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Fieldset, MultiSelect, NumberInput, Select, Stack, Switch, TagsInput, Text, Textarea, TextInput } from '@mantine/core';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { within } from '../problem';
import { type Field, fieldsOf, fromLocal, fromPairs, labelOf, localTime, pairsOf, put, type Schema, type Values } from './schema.model';

/** Look is what a form knows besides the schema. */
export interface Look {
  /** first are the keys that are shown at once, in this order; none: all are. What is required or set always is. */
  first?: string[];
  /** hide are keys that are asked for elsewhere, at any depth. */
  hide?: string[];
  /** names are what people call the values of choices. */
  names?: Record<string, string>;
  /** offers are values that a text can have, by key. */
  offers?: Record<string, string[]>;
}

interface Part {
  value: Values | undefined;
  /** path is where the value is in the object, as errors say it: spec.provider. */
  path: string;
  errors: Record<string, string>;
  look?: Look;
  onChange: (value: Values) => void;
}

/** SchemaForm asks for what a schema describes. */
export function SchemaForm({ schema, value, path, errors, look = {}, onChange }: Part & { schema: Schema }) {
  const [all, showAll] = useState(false);
  const [set] = useState(() => new Set(Object.keys(value ?? {})));
  const fields = fieldsOf(schema, look.first).filter((field) => !look.hide?.includes(field.key));
  const wrong = (at: string) => Object.keys(errors).some((place) => within(place, at));
  const wanted = (field: Field) =>
    !look.first || field.required || look.first.includes(field.key) || set.has(field.key) || wrong(`${path}.${field.key}`);
  const shown = fields.filter((field) => all || wanted(field));
  return (
    <Stack gap="sm">
      {shown.map((field) => (
        <Input
          key={field.key}
          field={field}
          value={value?.[field.key]}
          path={`${path}.${field.key}`}
          errors={errors}
          look={look}
          onChange={(next) => onChange(put(value, field.key, next, field.telling || field.required))}
        />
      ))}
      {shown.length < fields.length && (
        <div>
          <Button size="compact-sm" variant="subtle" color="gray" leftSection={<Plus size={13} />} onClick={() => showAll(true)}>
            More settings
          </Button>
        </div>
      )}
    </Stack>
  );
}

interface InputProps extends Omit<Part, 'value' | 'onChange'> {
  field: Field;
  value: unknown;
  look: Look;
  onChange: (value: unknown) => void;
}

/** Input asks for one member. */
function Input(props: InputProps) {
  const { field, value, path, errors, look, onChange } = props;
  const { schema, shape } = field;
  const common = { label: field.label, description: field.help || undefined, error: errors[path], withAsterisk: field.required };
  const preset = schema.default === undefined || typeof schema.default === 'object' ? undefined : String(schema.default);
  const named = (key: string) => ({ value: key, label: look.names?.[key] ?? key });
  switch (shape) {
    case 'choice':
      return (
        <Select
          {...common}
          placeholder={preset && (look.names?.[preset] ?? preset)}
          clearable={!field.required}
          value={(value as string) ?? null}
          data={(schema.enum ?? []).map(named)}
          onChange={(next) => onChange(next ?? undefined)}
        />
      );
    case 'number':
      return (
        <NumberInput
          {...common}
          maw={240}
          placeholder={preset}
          allowDecimal={schema.type === 'number'}
          min={schema.minimum}
          max={schema.maximum}
          clampBehavior="none"
          value={(value as number) ?? ''}
          onChange={(next) => onChange(next === '' ? undefined : Number(next))}
        />
      );
    case 'switch':
      return (
        <Switch
          label={field.label}
          description={field.help}
          error={errors[path]}
          checked={(value as boolean) ?? schema.default === true}
          onChange={(event) =>
            onChange(event.currentTarget.checked === (schema.default === true) ? undefined : event.currentTarget.checked)
          }
        />
      );
    case 'texts':
      return schema.items?.enum ? (
        <MultiSelect {...common} value={(value as string[]) ?? []} data={schema.items.enum.map(named)} onChange={onChange} />
      ) : (
        <TagsInput {...common} value={(value as string[]) ?? []} data={look.offers?.[field.key]} acceptValueOnBlur onChange={onChange} />
      );
    case 'pairs':
      return (
        <TagsInput
          {...common}
          placeholder="name=value"
          value={pairsOf(value)}
          acceptValueOnBlur
          onChange={(next) => onChange(fromPairs(next))}
        />
      );
    case 'list':
      return <Entries {...props} />;
    case 'oneOf':
      return <OneOf {...props} />;
    case 'object':
      return <Nested {...props} />;
    case 'date':
      return (
        <TextInput
          {...common}
          type="date"
          maw={240}
          value={String(value ?? '')}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
    case 'time':
      return (
        <TextInput
          {...common}
          type="datetime-local"
          maw={240}
          value={value ? localTime(value) : ''}
          onChange={(event) => onChange(fromLocal(event.currentTarget.value))}
        />
      );
    case 'long':
      return (
        <Textarea {...common} autosize minRows={2} value={String(value ?? '')} onChange={(event) => onChange(event.currentTarget.value)} />
      );
    case 'text':
      return look.offers?.[field.key]?.length ? (
        <Select
          {...common}
          searchable
          clearable={!field.required}
          value={(value as string) || null}
          data={[...new Set([...(look.offers[field.key] ?? []), ...(value ? [String(value)] : [])])]}
          onChange={(next) => onChange(next ?? undefined)}
        />
      ) : (
        <TextInput {...common} placeholder={preset} value={String(value ?? '')} onChange={(event) => onChange(event.currentTarget.value)} />
      );
  }
}

/** Nested is an object in an object; one whose being there says something is switched on and off. */
function Nested({ field, value, path, errors, look, onChange }: InputProps) {
  const members = (
    <SchemaForm
      schema={field.schema}
      value={value as Values | undefined}
      path={path}
      errors={errors}
      look={{ ...look, first: undefined }}
      onChange={onChange}
    />
  );
  if (!field.telling) {
    return (
      <Fieldset legend={field.label} variant="default">
        {members}
      </Fieldset>
    );
  }
  return (
    <div>
      <Switch
        label={field.label}
        description={field.help}
        error={errors[path]}
        checked={value !== undefined}
        onChange={(event) => onChange(event.currentTarget.checked ? {} : undefined)}
      />
      {value !== undefined && Object.keys(field.schema.properties ?? {}).length > 0 && (
        <Fieldset mt="xs" aria-label={field.label}>
          {members}
        </Fieldset>
      )}
    </div>
  );
}

/** OneOf is an object with exactly one of its members. */
function OneOf({ field, value, path, errors, look, onChange }: InputProps) {
  const [chosen, of] = Object.entries((value ?? {}) as Values)[0] ?? [];
  const branch = chosen ? field.schema.properties?.[chosen] : undefined;
  return (
    <Fieldset legend={field.label}>
      <Stack gap="sm">
        <Select
          aria-label={field.label}
          description={field.help}
          error={errors[path]}
          allowDeselect={false}
          value={chosen ?? null}
          data={Object.keys(field.schema.properties ?? {}).map((key) => ({ value: key, label: look.names?.[key] ?? labelOf(key) }))}
          onChange={(next) => next && next !== chosen && onChange({ [next]: {} })}
        />
        {chosen && branch?.properties && (
          <SchemaForm
            key={chosen}
            schema={branch}
            value={of as Values}
            path={`${path}.${chosen}`}
            errors={errors}
            look={{ ...look, first: branch.required ?? [] }}
            onChange={(next) => onChange({ [chosen]: next })}
          />
        )}
      </Stack>
    </Fieldset>
  );
}

/** Entries is a list of objects. */
function Entries({ field, value, path, errors, look, onChange }: InputProps) {
  const entries = (value ?? []) as Values[];
  const schema = field.schema.items ?? {};
  return (
    <Fieldset legend={field.label}>
      <Stack gap="sm">
        {field.help && (
          <Text size="xs" c="dimmed">
            {field.help}
          </Text>
        )}
        {errors[path] && (
          <Text size="xs" c="red" role="alert">
            {errors[path]}
          </Text>
        )}
        {entries.map((entry, i) => (
          <Fieldset key={i} aria-label={`${field.label} ${i + 1}`}>
            <SchemaForm
              schema={schema}
              value={entry}
              path={`${path}.${i}`}
              errors={errors}
              look={{ ...look, first: schema.required }}
              onChange={(next) => onChange(entries.map((old, j) => (j === i ? next : old)))}
            />
            <Button
              mt="xs"
              size="compact-xs"
              variant="subtle"
              color="gray"
              onClick={() => onChange(entries.filter((_, j) => j !== i))}
              aria-label={`Remove ${field.label} ${i + 1}`}
            >
              Remove
            </Button>
          </Fieldset>
        ))}
        <div>
          <Button size="compact-sm" variant="default" leftSection={<Plus size={13} />} onClick={() => onChange([...entries, {}])}>
            Add
          </Button>
        </div>
      </Stack>
    </Fieldset>
  );
}
