// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Group, Modal, Stack } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { type Cluster, http, result } from '../api';
import { asProblem, fieldErrors } from '../problem';
import { Failed } from '../ui/States';
import { poolBody } from './create/model';
import { type PoolDraft, PoolFields } from './create/PoolFields';

/** AddPool adds machines of another sort to a cluster. */
export function AddPool({ project, cluster, onClose }: { project: string; cluster: Cluster; onClose: () => void }) {
  const name = cluster.metadata?.name ?? '';
  const [pool, change] = useState<PoolDraft>({ name: `${name}-more`, replicas: 1, cpu: '2', memory: '4Gi' });
  const mutation = useMutation({
    mutationFn: () =>
      result(
        http.POST('/api/v1/projects/{project}/clusters/{cluster}/nodepools', {
          params: { path: { project, cluster: name } },
          body: poolBody(name, pool) as never,
        }),
      ),
    onSuccess: onClose,
  });
  const errors = mutation.error ? fieldErrors(asProblem(mutation.error), ['metadata.name', 'spec.replicas', 'spec.provider']) : undefined;
  return (
    <Modal opened onClose={onClose} title={<b>Add a node pool to {name}</b>} size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          mutation.mutate();
        }}
      >
        <Stack>
          <PoolFields
            pool={pool}
            onChange={change}
            errors={{
              name: errors?.fields['metadata.name'],
              replicas: errors?.fields['spec.replicas'],
              machine: errors?.fields['spec.provider'],
            }}
          />
          {mutation.error && <Failed error={mutation.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={mutation.isPending}>
              Add pool
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
