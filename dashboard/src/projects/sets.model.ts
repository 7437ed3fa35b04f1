// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Schema } from '../api';
import type { Tone } from '../ui/Status';

type ClusterSet = Schema<'ClusterSet'>;

const tones: Record<string, Tone> = {
  UpToDate: 'good',
  Progressing: 'busy',
  Behind: 'warn',
  ChangedByHand: 'warn',
  Refused: 'bad',
  Taken: 'bad',
  Paused: 'off',
  Deleting: 'busy',
};

export function toneOfState(state: string): Tone {
  return tones[state] ?? 'warn';
}

/** planOf says whether there is something to approve: the template's revision is another one than the approved, and clusters differ. */
export function planOf(set: ClusterSet): { revision: string; clusters: number } | undefined {
  const { revision, clusters = [] } = set.status ?? {};
  if (!revision || set.spec.rollout?.revision === revision) return undefined;
  const differing = clusters.filter((cluster) => cluster.changes?.length).length;
  return differing ? { revision, clusters: differing } : undefined;
}

/** written shows a value of a change; what is long is cut. */
export function written(value: string | undefined): string {
  if (!value) return 'nothing';
  return value.length > 120 ? `${value.slice(0, 117)}…` : value;
}
