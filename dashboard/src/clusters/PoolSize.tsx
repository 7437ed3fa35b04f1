// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { NumberInput, SegmentedControl } from '@mantine/core';
import { useState } from 'react';
import { http, mergePatch, type NodePool, result } from '../api';
import { FormModal } from '../ui/Form';
import { wantedOf } from './pool.model';

const manners = [
  { value: 'fixed', label: 'A number of nodes' },
  { value: 'range', label: 'As many as pods ask for' },
];

/** PoolSize chooses who says how many machines a pool has: a person, or the autoscaler within a range. */
export function PoolSize({
  path,
  pool,
  onClose,
}: {
  path: { project: string; cluster: string; name: string };
  pool: NodePool;
  onClose: () => void;
}) {
  const { autoscaling } = pool.spec;
  const [manner, setManner] = useState(autoscaling ? 'range' : 'fixed');
  const [replicas, setReplicas] = useState<number | string>(wantedOf(pool));
  const [least, setLeast] = useState<number | string>(autoscaling?.minReplicas ?? Math.max(1, wantedOf(pool)));
  const [most, setMost] = useState<number | string>(autoscaling?.maxReplicas ?? Math.max(1, wantedOf(pool)) + 2);
  const spec = manner === 'fixed' ? { autoscaling: null, replicas } : { autoscaling: { minReplicas: least, maxReplicas: most } };
  return (
    <FormModal
      title={`Size of ${path.name}`}
      submit="Set size"
      action={() =>
        result(
          http.PATCH('/api/v1/projects/{project}/clusters/{cluster}/nodepools/{name}', {
            params: { path },
            body: { spec } as never,
            ...mergePatch,
          }),
        )
      }
      fields={['spec.replicas', 'spec.autoscaling', 'spec.autoscaling.minReplicas', 'spec.autoscaling.maxReplicas']}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <SegmentedControl fullWidth data={manners} value={manner} onChange={setManner} aria-label="Who says how many" />
          {manner === 'fixed' ? (
            <NumberInput
              label="Nodes"
              min={0}
              allowDecimal={false}
              value={replicas}
              error={errors['spec.replicas']}
              onChange={setReplicas}
            />
          ) : (
            <>
              <NumberInput
                label="At least"
                min={0}
                allowDecimal={false}
                value={least}
                error={errors['spec.autoscaling.minReplicas']}
                onChange={setLeast}
              />
              <NumberInput
                label="At most"
                description="Quotas count this many."
                min={1}
                allowDecimal={false}
                value={most}
                error={errors['spec.autoscaling.maxReplicas'] ?? errors['spec.autoscaling']}
                onChange={setMost}
              />
            </>
          )}
        </>
      )}
    </FormModal>
  );
}
