// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Select, Text } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { Building2 } from 'lucide-react';
import { api } from '../../api';
import { Section } from '../../ui/Page';
import { Empty, Failed, Loading } from '../../ui/States';
import { WorldMap } from '../../ui/WorldMap';
import { placed } from './model';
import { flag, providers } from './places';
import { providerOf, useDatacenters } from './provider';
import type { StepProps } from './Wizard';

/** DatacenterStep asks where the machines are. */
export function DatacenterStep({ project, draft, errors, onChange }: StepProps) {
  const datacenters = useDatacenters(project);
  const templates = api.useQuery('get', '/api/v1/projects/{project}/templates', {
    params: { path: { project }, query: { pageSize: 100 } },
  });
  const navigate = useNavigate();
  const offered = datacenters.data?.items ?? [];
  const choose = (name: string) => onChange(placed(draft, name, providerOf(offered.find((one) => one.metadata?.name === name))));
  return (
    <>
      {!!templates.data?.items.length && (
        <Section title="Start from a template" sub="It fills everything in; you can change it afterwards.">
          <Select
            aria-label="Template"
            maw={420}
            placeholder="Choose a template, or begin with nothing"
            data={templates.data.items.map((template) => template.metadata?.name ?? '')}
            onChange={(template) => template && void navigate({ to: '.', search: { template } as never, replace: true })}
          />
        </Section>
      )}
      <Section title="Where do the machines run?" sub="The control plane runs on the seed of the datacenter, close to them.">
        {datacenters.error ? <Failed error={datacenters.error} retry={() => void datacenters.refetch()} /> : null}
        {datacenters.isPending && <Loading rows={3} />}
        {datacenters.data && offered.length === 0 && (
          <Empty icon={<Building2 size={28} />} title="No datacenter for this project">
            An administrator adds datacenters, and says which projects may use them.
          </Empty>
        )}
        <div
          role="radiogroup"
          aria-label="Datacenter"
          style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fill, minmax(230px, 1fr))', gap: 10 }}
        >
          {offered.map((datacenter) => {
            const name = datacenter.metadata?.name ?? '';
            const provider = providerOf(datacenter);
            return (
              <button
                key={name}
                type="button"
                role="radio"
                className="choice"
                aria-checked={draft.spec.datacenter === name}
                onClick={() => choose(name)}
              >
                <Text size="sm" fw={600}>
                  {name}
                </Text>
                <Text size="sm" c="dimmed">
                  {[flag(datacenter.spec.country), datacenter.spec.location ?? datacenter.spec.country].filter(Boolean).join(' ')}
                </Text>
                <Text size="xs" c="dimmed" mt={4}>
                  {providers[provider] ?? provider} · seed {datacenter.spec.seed}
                </Text>
              </button>
            );
          })}
        </div>
        {errors['spec.datacenter'] && (
          <Text size="sm" c="red" mt="sm" role="alert">
            {errors['spec.datacenter']}
          </Text>
        )}
        <WorldMap
          places={offered.map((datacenter) => ({
            name: datacenter.metadata?.name ?? '',
            country: datacenter.spec.country,
            tone: 'good',
            text: [datacenter.spec.location, providers[providerOf(datacenter)]].filter(Boolean).join(', '),
          }))}
          chosen={draft.spec.datacenter}
          onChoose={choose}
        />
      </Section>
    </>
  );
}
