// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Text } from '@mantine/core';
import type { Condition } from '../api';
import { toneOf } from './conditions.model';
import { Age } from './Now';
import { Status } from './Status';
import { words } from './words';

/** Conditions shows what an object says of itself, and what each statement means. */
export function Conditions({ conditions, meanings }: { conditions: Condition[] | undefined; meanings: Record<string, string> }) {
  if (!conditions?.length) return <Text c="dimmed">Nothing has been said yet: no controller has looked at it.</Text>;
  return (
    <div style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fill, minmax(260px, 1fr))', gap: 12 }}>
      {conditions.map((condition) => (
        <div key={condition.type} className="card" style={{ padding: '12px 14px' }}>
          <div style={{ display: 'flex', justifyContent: 'space-between', gap: 8, marginBottom: 4 }}>
            <Status tone={toneOf(condition)} label={<b style={{ fontWeight: 600 }}>{words(condition.type)}</b>} />
            <Text size="xs" c="dimmed">
              <Age time={condition.lastTransitionTime} />
            </Text>
          </div>
          <Text size="sm" className="wrap">
            {condition.message || condition.reason}
          </Text>
          <Text size="xs" c="dimmed" mt={6}>
            {meanings[condition.type] ?? condition.reason}
          </Text>
        </div>
      ))}
    </div>
  );
}
