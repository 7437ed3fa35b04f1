// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Cluster, Schema } from '../api';
import { count, quantity } from '../format';
import { find } from '../ui/conditions.model';
import type { Tone } from '../ui/Status';
import { words } from '../ui/words';

export interface Count {
  label: string;
  count: number;
}

function countBy(labels: string[], order: (a: Count, b: Count) => number): Count[] {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].map(([label, n]) => ({ label, count: n })).sort(order);
}

/** byReason counts clusters by why they are not ready, the most frequent first. */
export function byReason(clusters: Cluster[]): Count[] {
  const reasons = clusters.map((cluster) =>
    cluster.metadata?.deletionTimestamp ? 'Deleting' : words(find(cluster.status?.conditions, 'Ready')?.reason ?? 'Not looked at'),
  );
  return countBy(reasons, (a, b) => b.count - a.count || a.label.localeCompare(b.label));
}

/** byCode counts what was refused by the code of the problem, the most frequent first. */
export function byCode(records: Schema<'AuditRecord'>[]): Count[] {
  const codes = records.map((record) => record.result?.code ?? `status ${record.result?.status ?? 'not known'}`);
  return countBy(codes, (a, b) => b.count - a.count || a.label.localeCompare(b.label));
}

/** capacityOf sums up what all seeds have and what is asked for; undefined: none says so. */
export function capacityOf(seeds: Schema<'Seed'>[], of: 'cpu' | 'memory' | 'pods'): { allocatable: number; requested: number } | undefined {
  const known = seeds.flatMap((seed) => seed.status?.capacity?.[of] ?? []);
  if (known.length === 0) return undefined;
  const sum = (key: 'allocatable' | 'requested') => known.reduce((total, one) => total + (quantity(String(one[key])) || 0), 0);
  return { allocatable: sum('allocatable'), requested: sum('requested') };
}

/** lookOf says how a seed is, for a map. */
export function lookOf(seed: Schema<'Seed'>): { tone: Tone; text: string } {
  const ready = find(seed.status?.conditions, 'Ready');
  const clusters = count(seed.status?.clusters ?? 0, 'cluster');
  if (!ready) return { tone: 'busy', text: 'not looked at yet' };
  if (ready.status !== 'True') return { tone: 'bad', text: `${clusters}; ${ready.message}` };
  return seed.spec?.drained ? { tone: 'off', text: `${clusters}, takes no new ones` } : { tone: 'good', text: clusters };
}

/** byVersion counts clusters by the version that they have, the newest first. */
export function byVersion(clusters: Cluster[]): Count[] {
  return countBy(
    clusters.map((cluster) => cluster.status?.version ?? cluster.spec.version),
    (a, b) => b.label.localeCompare(a.label, 'en', { numeric: true }),
  );
}
