// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import schemas from 'virtual:schemas';
import { Anchor, Button, Fieldset, Group, MultiSelect, Select, Stack, Switch, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { useEffect, useState } from 'react';
import { api } from '../../api';
import { dateOnly } from '../../format';
import { useNow } from '../../ui/Now';
import { Section } from '../../ui/Page';
import { SchemaForm } from '../../ui/SchemaForm';
import { type Values, without } from '../../ui/schema.model';
import { needsPreset } from '../pool.model';
import { choosable } from './model';
import { useOffers } from './offers';
import { useProvider } from './provider';
import type { StepProps } from './Wizard';

/** ClusterStep asks for the name, the version, and what belongs to the cluster itself. */
export function ClusterStep({ project, draft, errors, onChange }: StepProps) {
  const spec = draft.spec;
  const now = useNow();
  const set = (next: Partial<typeof spec>) => onChange({ ...draft, spec: { ...spec, ...next } });
  const releases = api.useQuery('get', '/api/v1/releases', { params: { query: { pageSize: 200 } } });
  const presets = api.useQuery('get', '/api/v1/projects/{project}/presets', { params: { path: { project }, query: { pageSize: 200 } } });
  const keys = api.useQuery('get', '/api/v1/projects/{project}/sshkeys', { params: { path: { project }, query: { pageSize: 200 } } });
  const versions = choosable(releases.data?.items ?? [], now);
  const best = versions.find((version) => version.default) ?? versions[0];
  const provider = useProvider(project, spec.datacenter);
  const fitting = (presets.data?.items ?? []).filter((preset) => preset.spec.provider === provider);
  const only = fitting.length === 1 && needsPreset(provider) ? fitting[0]?.metadata?.name : undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: what there is to fill in is filled in once it is known, and at once
  useEffect(() => {
    const filled = { ...(!spec.version && best ? { version: best.version } : {}), ...(!spec.preset && only ? { preset: only } : {}) };
    if (Object.keys(filled).length) set(filled);
  }, [best?.version, only]);
  const chosen = versions.find((version) => version.version === spec.version);
  return (
    <Section title="The cluster">
      <Stack maw={560} gap="md">
        <TextInput
          label="Name"
          description="It is part of the address and cannot be changed."
          data-autofocus
          value={draft.name}
          error={errors['metadata.name']}
          onChange={(event) => onChange({ ...draft, name: event.currentTarget.value.toLowerCase() })}
        />
        <Select
          label="Kubernetes"
          allowDeselect={false}
          value={spec.version || null}
          error={errors['spec.version']}
          onChange={(version) => version && set({ version })}
          data={versions.map((version) => ({
            value: version.version,
            label: version.version + (version.default ? ' (recommended)' : version.over ? ' (no fixes any more)' : ''),
          }))}
          description={
            chosen?.endOfLife ? `${chosen.over ? 'got' : 'gets'} fixes until ${dateOnly(chosen.endOfLife)}` : 'A real upstream Kubernetes.'
          }
        />
        {needsPreset(provider) && (
          <Select
            label="Preset"
            description="The credentials for the provider. Nobody can read them here."
            placeholder={fitting.length ? 'Choose credentials' : 'There is none for this provider and project'}
            withAsterisk
            value={spec.preset ?? null}
            error={errors['spec.preset']}
            onChange={(preset) => set({ preset: preset ?? undefined })}
            data={fitting.map((preset) => preset.metadata?.name ?? '')}
          />
        )}
        <MultiSelect
          label="SSH keys"
          description={
            <>
              Whose holders may log in to the machines. None is needed.{' '}
              <Anchor component={Link} to={`/projects/${project}/sshkeys`} size="xs">
                Add one
              </Anchor>
            </>
          }
          placeholder={keys.data?.items.length ? 'None' : 'There is none in this project'}
          value={spec.sshKeys ?? []}
          error={errors['spec.sshKeys']}
          onChange={(sshKeys) => set({ sshKeys: sshKeys.length ? sshKeys : undefined })}
          data={(keys.data?.items ?? []).map((key) => key.metadata?.name ?? '')}
        />
        <Select
          label="Tunnel"
          description="How the control plane reaches the nodes. It can be changed later."
          allowDeselect={false}
          value={spec.network?.tunnel ?? 'OpenVPN'}
          onChange={(tunnel) => {
            const network = { ...spec.network, tunnel: tunnel === 'OpenVPN' ? undefined : (tunnel as 'Konnectivity') };
            set({ network: Object.values(network).some((value) => value !== undefined) ? network : undefined });
          }}
          data={['OpenVPN', 'Konnectivity']}
        />
        <Group gap="xl" align="flex-start">
          <Switch
            label="Install patches by itself"
            description="within the minor version"
            checked={spec.maintenance?.autoUpgrade === 'Patch'}
            onChange={(event) =>
              set({ maintenance: event.currentTarget.checked ? { ...spec.maintenance, autoUpgrade: 'Patch' } : undefined })
            }
          />
          <Switch
            label="Encrypt Secrets in etcd"
            description="with a key of the cluster's own"
            checked={spec.encryption?.enabled ?? false}
            onChange={(event) => set({ encryption: event.currentTarget.checked ? { enabled: true } : undefined })}
          />
        </Group>
        <Advanced project={project} draft={draft} errors={errors} onChange={onChange} />
      </Stack>
    </Section>
  );
}

/** above are the fields of a cluster that have a place of their own in the form. */
const above = ['datacenter', 'version', 'preset', 'sshKeys', 'maintenance', 'encryption', 'paused', 'profile'];

/** Advanced is everything else that a cluster can be told. */
function Advanced({ project, draft, errors, onChange }: StepProps) {
  const [open, setOpen] = useState(false);
  const spec = draft.spec;
  const provider = useProvider(project, spec.datacenter);
  const { offers } = useOffers(project, provider, spec.datacenter, open ? spec.preset : undefined);
  const names = (of: { name: string }[] | undefined) => (of ?? []).map((one) => one.name);
  const shown = without(schemas.ClusterSpec ?? {}, needsPreset(provider) ? above : [...above, 'cloudNetwork']);
  const change = (next: Values) => onChange({ ...draft, spec: { ...spec, ...cleared(shown), ...next } as typeof spec });
  return (
    <div>
      <Button
        size="compact-sm"
        variant="subtle"
        color="gray"
        aria-expanded={open}
        leftSection={open ? <ChevronDown size={14} /> : <ChevronRight size={14} />}
        onClick={() => setOpen(!open)}
      >
        Advanced settings
      </Button>
      {open && (
        <Fieldset mt="xs" aria-label="Advanced settings">
          <SchemaForm
            schema={shown}
            value={Object.fromEntries(Object.entries(spec).filter(([key]) => !above.includes(key)))}
            path="spec"
            errors={errors}
            look={{
              hide: ['tunnel', ...(provider === 'azure' ? [] : ['resourceGroup'])],
              offers: { network: names(offers.networks), subnets: names(offers.subnets) },
            }}
            onChange={change}
          />
        </Fieldset>
      )}
    </div>
  );
}

/** cleared has nothing in each field of a schema: what a form has left out is gone. */
function cleared(schema: typeof schemas.ClusterSpec): Values {
  return Object.fromEntries(Object.keys(schema?.properties ?? {}).map((key) => [key, undefined]));
}
