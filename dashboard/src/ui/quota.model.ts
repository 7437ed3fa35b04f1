// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Schema } from '../api';
import { bytes, quantity, round } from '../format';
import type { Tone } from './Status';

export interface Use {
  clusters: number;
  nodes: number;
  cpu: number;
  memory: number;
}

export interface Row {
  name: string;
  text: string;
  limited: boolean;
  usedShare: number;
  plannedShare: number;
  tone: Tone;
}

const resources = [
  ['clusters', 'Clusters', round],
  ['nodes', 'Nodes', round],
  ['cpu', 'CPU', round],
  ['memory', 'Memory', bytes],
] as const;

/** quotaRows says of each resource what is used, planned and allowed. Shares are of the limit, and end there. */
export function quotaRows(quota: Schema<'QuotaStatus'>, planned?: Use): Row[] {
  return resources.map(([key, name, write]) => {
    const hard = quantity(quota.hard?.[key]);
    const used = quantity(quota.used?.[key]) || 0;
    const more = planned?.[key] ?? 0;
    const limited = !Number.isNaN(hard);
    const share = (n: number) => (hard > 0 ? Math.min(n / hard, 1) : n > 0 ? 1 : 0);
    const after = used + more;
    return {
      name,
      limited,
      text: `${write(used)}${more ? ` + ${write(more)}` : ''}${limited ? ` of ${write(hard)}` : ', no limit'}`,
      usedShare: limited ? share(used) : 0,
      plannedShare: limited ? Math.max(0, share(after) - share(used)) : 0,
      tone: limited && after > hard ? 'bad' : limited && after > 0.85 * hard ? 'warn' : 'good',
    };
  });
}
