// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Cluster } from '../api';
import { find } from '../ui/conditions.model';
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

/** byVersion counts clusters by the version that they have, the newest first. */
export function byVersion(clusters: Cluster[]): Count[] {
  return countBy(
    clusters.map((cluster) => cluster.status?.version ?? cluster.spec.version),
    (a, b) => b.label.localeCompare(a.label, 'en', { numeric: true }),
  );
}
