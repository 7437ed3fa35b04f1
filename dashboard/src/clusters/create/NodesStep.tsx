// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { ActionIcon, Button, Group, Text } from '@mantine/core';
import { Plus, X } from 'lucide-react';
import { api } from '../../api';
import { Section } from '../../ui/Page';
import { QuotaBars } from '../../ui/QuotaBars';
import { takes, useOf } from '../pool.model';
import { emptyPool, poolName } from './model';
import { useOffers } from './offers';
import { PoolFields } from './PoolFields';
import { useProvider } from './provider';
import type { StepProps } from './Wizard';

/** NodesStep asks for machines, and shows what they take of the quota. */
export function NodesStep({ project, draft, errors, onChange }: StepProps) {
  const quota = api.useQuery('get', '/api/v1/projects/{project}/quota', { params: { path: { project } } });
  const provider = useProvider(project, draft.spec.datacenter);
  const choice = useOffers(project, provider, draft.spec.datacenter, draft.spec.preset);
  const pools = draft.pools;
  const unknown = pools.some((pool) => pool.replicas > 0 && !takes(pool.machine, choice.offers.sizes));
  const change = (index: number, pool: (typeof pools)[number] | undefined) =>
    onChange({ ...draft, pools: pool ? pools.map((old, i) => (i === index ? pool : old)) : pools.filter((_, i) => i !== index) });
  return (
    <div style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(min(100%, 320px), 1fr))', gap: 16, alignItems: 'start' }}>
      <div style={{ gridColumn: 'span 1', minWidth: 0 }}>
        {pools.map((pool, i) => (
          <Section
            key={i}
            title={pools.length > 1 ? `Node pool ${i + 1}` : 'Node pool'}
            actions={
              <ActionIcon variant="subtle" color="gray" aria-label={`Remove pool ${i + 1}`} onClick={() => change(i, undefined)}>
                <X size={16} />
              </ActionIcon>
            }
          >
            <PoolFields
              pool={pool}
              placeholder={poolName({ ...draft, pools: pools.map((p, j) => (j === i ? { ...p, name: '' } : p)) }, i)}
              path={`pools.${i}`}
              errors={errors}
              choice={choice}
              onChange={(next) => change(i, next)}
            />
          </Section>
        ))}
        {pools.length === 0 && (
          <Section title="No nodes">
            <Text c="dimmed">
              The API will answer, but nothing can run until a pool is added. Good for a look, or for machines that you bring later.
            </Text>
          </Section>
        )}
        <Group>
          <Button
            variant="default"
            size="compact-sm"
            leftSection={<Plus size={14} />}
            onClick={() => onChange({ ...draft, pools: [...pools, emptyPool(provider)] })}
          >
            Add a pool
          </Button>
        </Group>
      </div>
      <Section title="Quota of the project" sub="What is used now, and what this cluster adds.">
        <QuotaBars quota={quota.data} planned={useOf(pools, 1, choice.offers.sizes)} />
        {unknown && (
          <Text size="xs" c="dimmed" mt="xs">
            What machines of a size take of CPU and memory is not known here for all pools.
          </Text>
        )}
      </Section>
    </div>
  );
}
