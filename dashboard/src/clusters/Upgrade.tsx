// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Group, Modal, Radio, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Cluster, http, mergePatch, result } from '../api';
import { dateOnly } from '../format';
import { Failed, Loading } from '../ui/States';

/** Upgrade offers the versions that are possible, and says what keeps the others from being so. */
export function Upgrade({ project, cluster, onClose }: { project: string; cluster: Cluster; onClose: () => void }) {
  const name = cluster.metadata?.name ?? '';
  const upgrades = api.useQuery('get', '/api/v1/projects/{project}/clusters/{cluster}/upgrades', {
    params: { path: { project, cluster: name } },
  });
  const offered = (upgrades.data?.upgrades ?? []).slice().reverse();
  const [picked, pick] = useState<string>();
  const version = picked ?? offered.find((upgrade) => upgrade.possible)?.version;
  const mutation = useMutation({
    mutationFn: () =>
      result(
        http.PATCH('/api/v1/projects/{project}/clusters/{name}', {
          params: { path: { project, name } },
          body: { spec: { version } } as never,
          ...mergePatch,
        }),
      ),
    onSuccess: onClose,
  });
  return (
    <Modal opened onClose={onClose} title={<b>Upgrade {name}</b>}>
      <Stack>
        <Text size="sm">
          It has {upgrades.data?.version ?? cluster.status?.version}. The control plane is replaced first, then the nodes, one after
          another. The API of a compact control plane is away for some seconds. There is no way back to an older version.
        </Text>
        {upgrades.error ? <Failed error={upgrades.error} /> : null}
        {upgrades.isPending && <Loading rows={2} />}
        {upgrades.data?.message && <Text size="sm">{upgrades.data.message}</Text>}
        <Radio.Group value={version ?? ''} onChange={pick} aria-label="Version">
          <Stack gap="xs">
            {offered.map((upgrade) => (
              <Radio
                key={upgrade.version}
                value={upgrade.version}
                disabled={!upgrade.possible}
                label={upgrade.version}
                description={upgrade.problem ?? (upgrade.endOfLife ? `gets fixes until ${dateOnly(upgrade.endOfLife)}` : undefined)}
              />
            ))}
          </Stack>
        </Radio.Group>
        {mutation.error && <Failed error={mutation.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button disabled={!version} loading={mutation.isPending} onClick={() => mutation.mutate()}>
            Upgrade to {version}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
