// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Anchor, Group, MultiSelect, Select, Stack, Switch, Text, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useEffect } from 'react';
import { api } from '../../api';
import { dateOnly } from '../../format';
import { useNow } from '../../ui/Now';
import { Section } from '../../ui/Page';
import { choosable } from './model';
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
  // biome-ignore lint/correctness/useExhaustiveDependencies: the default is filled in once it is known
  useEffect(() => {
    if (!spec.version && best) set({ version: best.version });
  }, [best?.version]);
  const provider = useProvider(project, spec.datacenter);
  const fitting = (presets.data?.items ?? []).filter((preset) => preset.spec.provider === provider);
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
        {provider !== 'local' && provider !== '' && (
          <Select
            label="Preset"
            description="The credentials for the provider. Nobody can read them here."
            placeholder={fitting.length ? 'Choose credentials' : 'There is none for this provider and project'}
            clearable
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
        <Text size="sm" c="dimmed">
          Everything else that a cluster can be told is in the YAML of this form.
        </Text>
      </Stack>
    </Section>
  );
}
