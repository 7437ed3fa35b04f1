// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Group, NumberInput, Stack, Text, TextInput } from '@mantine/core';
import { bytes, quantity } from '../../format';
import { sizes } from '../pool.model';
import type { PoolDraft } from './model';

export type { PoolDraft } from './model';

/** PoolFields is what a pool is asked for: how many machines, of which size. */
export function PoolFields({
  pool,
  placeholder,
  errors,
  onChange,
}: {
  pool: PoolDraft;
  placeholder?: string;
  errors: { name?: string; replicas?: string; machine?: string };
  onChange: (pool: PoolDraft) => void;
}) {
  const foreign = pool.other?.provider;
  return (
    <Stack gap="md">
      <Group align="flex-start">
        <TextInput
          label="Name"
          style={{ flex: 1 }}
          placeholder={placeholder}
          value={pool.name}
          error={errors.name}
          onChange={(event) => onChange({ ...pool, name: event.currentTarget.value.toLowerCase() })}
        />
        <NumberInput
          label="Machines"
          w={120}
          min={0}
          max={1000}
          allowDecimal={false}
          value={pool.replicas}
          error={errors.replicas}
          onChange={(value) => onChange({ ...pool, replicas: Number(value) || 0 })}
        />
      </Group>
      {foreign ? (
        <Text size="sm" c="dimmed">
          The machines of this pool are written as YAML: <span className="mono">{JSON.stringify(foreign)}</span>
        </Text>
      ) : (
        <>
          <div
            role="radiogroup"
            aria-label="Size of a machine"
            style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(112px, 1fr))', gap: 8 }}
          >
            {sizes.map((size) => (
              <button
                key={size.name}
                type="button"
                role="radio"
                className="choice"
                aria-checked={pool.cpu === size.cpu && pool.memory === size.memory}
                onClick={() => onChange({ ...pool, cpu: size.cpu, memory: size.memory })}
              >
                <Text size="sm" fw={550}>
                  {size.name}
                </Text>
                <Text size="xs" c="dimmed" className="number">
                  {size.cpu} CPU, {bytes(quantity(size.memory))}
                </Text>
              </button>
            ))}
          </div>
          <Group align="flex-start">
            <TextInput
              label="CPU"
              description="cores, as 2 or 500m"
              w={160}
              value={pool.cpu}
              error={Number.isNaN(quantity(pool.cpu)) ? 'A number, as 2 or 500m' : undefined}
              onChange={(event) => onChange({ ...pool, cpu: event.currentTarget.value })}
            />
            <TextInput
              label="Memory"
              description="with its unit, as 4Gi"
              w={160}
              value={pool.memory}
              error={Number.isNaN(quantity(pool.memory)) ? 'A size, as 4Gi' : undefined}
              onChange={(event) => onChange({ ...pool, memory: event.currentTarget.value })}
            />
          </Group>
        </>
      )}
      {errors.machine && (
        <Text size="sm" c="red">
          {errors.machine}
        </Text>
      )}
    </Stack>
  );
}
