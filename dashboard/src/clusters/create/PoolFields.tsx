// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import schemas from 'virtual:schemas';
import { Group, NumberInput, Select, Stack, Text, TextInput } from '@mantine/core';
import { bytes, quantity } from '../../format';
import { SchemaForm } from '../../ui/SchemaForm';
import { without } from '../../ui/schema.model';
import { localMachine, localSize, type Machine, offerText, providerIn, sizeFields, sizes } from '../pool.model';
import type { PoolDraft } from './model';
import type { Choice } from './offers';

interface MachineProps {
  machine: Machine;
  /** path is where the pool is in errors: pools.0 */
  path: string;
  errors: Record<string, string>;
  choice: Choice;
  onChange: (machine: Machine) => void;
}

/** PoolFields is what a pool is asked for: how many machines, and what they are at their provider. */
export function PoolFields({
  pool,
  placeholder,
  path,
  errors,
  choice,
  onChange,
}: Omit<MachineProps, 'machine' | 'onChange'> & { pool: PoolDraft; placeholder?: string; onChange: (pool: PoolDraft) => void }) {
  const [provider] = providerIn(pool.machine);
  const props = { machine: pool.machine, path, errors, choice, onChange: (machine: Machine) => onChange({ ...pool, machine }) };
  return (
    <Stack gap="md">
      <Group align="flex-start">
        <TextInput
          label="Name"
          style={{ flex: 1 }}
          placeholder={placeholder}
          value={pool.name}
          error={errors[`${path}.metadata.name`]}
          onChange={(event) => onChange({ ...pool, name: event.currentTarget.value.toLowerCase() })}
        />
        <NumberInput
          label="Machines"
          w={120}
          min={0}
          max={1000}
          allowDecimal={false}
          value={pool.replicas}
          error={errors[`${path}.spec.replicas`]}
          onChange={(value) => onChange({ ...pool, replicas: Number(value) || 0 })}
        />
      </Group>
      {provider === 'local' && <LocalFields {...props} />}
      {provider === 'bringYourOwn' && (
        <Text size="sm" c="dimmed">
          You make these machines yourself; `canopy join-command` says how they join. The pool waits for as many as you say.
        </Text>
      )}
      {provider !== 'local' && provider !== 'bringYourOwn' && <CloudFields {...props} />}
    </Stack>
  );
}

/** LocalFields ask for a size of pods. */
function LocalFields({ machine, path, errors, onChange }: MachineProps) {
  const size = localSize(machine);
  const at = `${path}.spec.provider.local`;
  const whole = errors[at] ?? errors[`${at}.resources`];
  const errorOf = (what: string) =>
    errors[`${at}.${what}`] ?? errors[`${at}.resources.requests.${what}`] ?? errors[`${at}.resources.limits.${what}`];
  return (
    <>
      <div
        role="radiogroup"
        aria-label="Size of a machine"
        style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(112px, 1fr))', gap: 8 }}
      >
        {sizes.map((one) => (
          <button
            key={one.name}
            type="button"
            role="radio"
            className="choice"
            aria-checked={size.cpu === one.cpu && size.memory === one.memory}
            onClick={() => onChange(localMachine(one))}
          >
            <Text size="sm" fw={550}>
              {one.name}
            </Text>
            <Text size="xs" c="dimmed" className="number">
              {one.cpu} CPU, {bytes(quantity(one.memory))}
            </Text>
          </button>
        ))}
      </div>
      <Group align="flex-start">
        <TextInput
          label="CPU"
          description="cores, as 2 or 500m"
          w={160}
          value={size.cpu}
          error={errorOf('cpu')}
          onChange={(event) => onChange(localMachine({ ...size, cpu: event.currentTarget.value }))}
        />
        <TextInput
          label="Memory"
          description="with its unit, as 4Gi"
          w={160}
          value={size.memory}
          error={errorOf('memory')}
          onChange={(event) => onChange(localMachine({ ...size, memory: event.currentTarget.value }))}
        />
      </Group>
      {whole && (
        <Text size="sm" c="red" role="alert">
          {whole}
        </Text>
      )}
    </>
  );
}

/** CloudFields ask for what the provider sells: its sizes, and then what its block has. */
function CloudFields({ machine, path, errors, choice, onChange }: MachineProps) {
  const [provider, settings] = providerIn(machine);
  const schema = schemas.NodePoolSpec?.properties?.provider?.properties?.[provider];
  const sizeField = sizeFields[provider];
  const set = (next: Record<string, unknown>) => onChange({ [provider]: next } as Machine);
  const names = (offers: { name: string }[] | undefined) => (offers ?? []).map((offer) => offer.name);
  const { offers } = choice;
  if (!schema) return <Text size="sm">Machines of this provider are written as YAML.</Text>;
  return (
    <>
      {sizeField && (
        <SizeField
          choice={choice}
          example={schema.properties?.[sizeField]?.description?.match(/"([^"]+)"/)?.[1]}
          value={String(settings[sizeField] ?? '')}
          error={errors[`${path}.spec.provider.${provider}.${sizeField}`]}
          onChange={(size) => set({ ...settings, [sizeField]: size })}
        />
      )}
      <SchemaForm
        key={provider}
        schema={sizeField ? without(schema, [sizeField]) : schema}
        value={settings}
        path={`${path}.spec.provider.${provider}`}
        errors={errors}
        look={{
          first: ['cpus', 'memoryMiB', 'operatingSystem', 'diskGiB', 'spot'],
          names: { ubuntu: 'Ubuntu', debian: 'Debian', flatcar: 'Flatcar' },
          offers: { zone: names(offers.zones), availabilityZone: names(offers.zones) },
        }}
        onChange={set}
      />
    </>
  );
}

/** SizeField offers the sizes of a provider, or takes any where they are not known, and says why. */
function SizeField({
  choice,
  example,
  value,
  error,
  onChange,
}: {
  choice: Choice;
  example?: string;
  value: string;
  error?: string;
  onChange: (size: string) => void;
}) {
  const sizes = choice.offers.sizes ?? [];
  if (sizes.length === 0) {
    return (
      <TextInput
        label="Size"
        withAsterisk
        placeholder={example}
        description={choice.loading ? 'The provider is asked what there is.' : (choice.why ?? 'As the provider calls it.')}
        value={value}
        error={error}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    );
  }
  const data = sizes.map((size) => ({ value: size.name, label: offerText(size) }));
  return (
    <Select
      label="Size"
      withAsterisk
      searchable
      limit={200}
      placeholder="Choose or type a few letters"
      nothingFoundMessage="Nothing is called so."
      allowDeselect={false}
      value={value || null}
      error={error}
      data={value && !sizes.some((size) => size.name === value) ? [{ value, label: value }, ...data] : data}
      onChange={(size) => onChange(size ?? '')}
    />
  );
}
