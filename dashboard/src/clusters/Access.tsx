// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Group, Select, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Download } from 'lucide-react';
import { useState } from 'react';
import { http, result } from '../api';
import { useRights } from '../me';
import { Command } from '../ui/Copy';
import { Section } from '../ui/Page';
import { Failed } from '../ui/States';
import { save } from '../ui/save';
import { useCluster } from './Detail';

/** Access is how people and machines get into a cluster. */
export function Access() {
  const { project, name, reading } = useCluster();
  const path = { project, name };
  const plain = useMutation({
    mutationFn: () => result(http.GET('/api/v1/projects/{project}/clusters/{name}/kubeconfig', { params: { path }, parseAs: 'text' })),
    onSuccess: (text) => save(`${name}.kubeconfig`, text as string, 'application/yaml'),
  });
  const off = !reading.data?.status?.endpoint;
  return (
    <>
      <Section title="For people" sub="No secret is in this file: kubectl asks the command canopy for your own token, and renews it.">
        <Stack gap="sm">
          <Command>{`canopy login ${location.origin}\ncanopy kubeconfig ${name} --project ${project}\nkubectl get nodes`}</Command>
          <Group>
            <Button
              variant="default"
              leftSection={<Download size={15} />}
              disabled={off}
              loading={plain.isPending}
              onClick={() => plain.mutate()}
            >
              Download kubeconfig
            </Button>
            {off && (
              <Text size="sm" c="dimmed">
                There is no address yet.
              </Text>
            )}
          </Group>
          {plain.error && <Failed error={plain.error} />}
          <Text size="sm" c="dimmed">
            What you may do inside follows your role in the project, at once: owners everything, editors workloads and Secrets, viewers look
            without Secrets.
          </Text>
        </Stack>
      </Section>
      <Certificate off={off} />
    </>
  );
}

/** Certificate makes a kubeconfig that works by itself for some time, and leaves a record. */
function Certificate({ off }: { off: boolean }) {
  const { project, name } = useCluster();
  const rights = useRights(project);
  const [role, setRole] = useState<'viewer' | 'admin'>('viewer');
  const [ttl, setTTL] = useState('1h');
  const make = useMutation({
    mutationFn: () =>
      result(
        http.POST('/api/v1/projects/{project}/clusters/{name}/kubeconfig', {
          params: { path: { project, name } },
          body: { role, ttl },
          parseAs: 'text',
        }),
      ),
    onSuccess: (text) => save(`${name}-${role}.kubeconfig`, text as string, 'application/yaml'),
  });
  return (
    <Section
      title="For a short time, without a login"
      sub="A certificate that the cluster signs itself. It works anywhere until it ends and cannot be taken back before; who made it is in the audit."
    >
      <Group align="flex-end">
        <Select
          label="Role"
          w={180}
          allowDeselect={false}
          value={role}
          onChange={(value) => setRole(value as 'viewer' | 'admin')}
          data={[
            { value: 'viewer', label: 'Viewer' },
            { value: 'admin', label: 'Administrator', disabled: !rights.own },
          ]}
        />
        <Select
          label="Ends after"
          w={140}
          allowDeselect={false}
          value={ttl}
          onChange={(value) => setTTL(value ?? '1h')}
          data={[
            { value: '15m', label: '15 minutes' },
            { value: '1h', label: '1 hour' },
            { value: '8h', label: '8 hours' },
          ]}
        />
        <Button
          variant="default"
          leftSection={<Download size={15} />}
          disabled={off || !rights.edit}
          title={rights.edit ? undefined : rights.why}
          loading={make.isPending}
          onClick={() => make.mutate()}
        >
          Make kubeconfig
        </Button>
      </Group>
      {make.error && (
        <div style={{ marginTop: 12 }}>
          <Failed error={make.error} />
        </div>
      )}
    </Section>
  );
}
