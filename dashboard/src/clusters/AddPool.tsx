// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import schemas from 'virtual:schemas';
import { Button, Group, Modal, Stack } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { type Cluster, http, result } from '../api';
import { asProblem, fieldErrors, under } from '../problem';
import { Failed } from '../ui/States';
import { placesOf } from '../ui/schema.model';
import { emptyPool, type PoolDraft, poolBody } from './create/model';
import { useOffers } from './create/offers';
import { PoolFields } from './create/PoolFields';
import { useProvider } from './create/provider';

/** AddPool adds machines of another sort to a cluster. */
export function AddPool({ project, cluster, onClose }: { project: string; cluster: Cluster; onClose: () => void }) {
  const name = cluster.metadata?.name ?? '';
  const provider = useProvider(project, cluster.spec.datacenter);
  const choice = useOffers(project, provider, cluster.spec.datacenter, cluster.spec.preset);
  const [changed, change] = useState<PoolDraft>();
  const pool = changed ?? { ...emptyPool(provider), name: `${name}-more` };
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
  const problem = mutation.error && under(asProblem(mutation.error), 'pool');
  const errors = problem ? fieldErrors(problem, placesOf(schemas.NodePoolSpec, 'pool.')).fields : {};
  return (
    <Modal opened onClose={onClose} title={<b>Add a node pool to {name}</b>} size="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          mutation.mutate();
        }}
      >
        <Stack>
          <PoolFields pool={pool} onChange={change} path="pool" errors={errors} choice={choice} />
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
