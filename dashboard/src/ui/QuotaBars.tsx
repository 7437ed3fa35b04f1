// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Text } from '@mantine/core';
import type { Schema } from '../api';
import { quotaRows, type Use } from './quota.model';

/** QuotaBars shows what is used of what there is, and what a plan adds. */
export function QuotaBars({ quota, planned }: { quota: Schema<'QuotaStatus'> | undefined; planned?: Use }) {
  if (!quota) return null;
  return (
    <div style={{ display: 'grid', gap: 14 }}>
      {quotaRows(quota, planned).map((row) => (
        <div key={row.name} data-tone={row.tone}>
          <div style={{ display: 'flex', justifyContent: 'space-between', fontSize: 13, marginBottom: 4 }}>
            <span>{row.name}</span>
            <span className="number" style={{ color: row.tone === 'bad' ? 'var(--tone)' : 'var(--mantine-color-dimmed)' }}>
              {row.text}
            </span>
          </div>
          {row.limited && (
            <div className="bar" role="img" aria-label={`${row.name}: ${row.text}`}>
              <span style={{ width: `${row.usedShare * 100}%` }} />
              <span data-planned style={{ width: `${row.plannedShare * 100}%` }} />
            </div>
          )}
        </div>
      ))}
      {planned && (
        <Text size="xs" c="dimmed">
          The lighter part is what is planned here. The platform counts for itself in the end.
        </Text>
      )}
    </div>
  );
}
