// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Cluster } from '../api';
import { projectOf } from '../project';
import { nodesOf, stateOf, upgradeOf } from './model';

const columns: [string, (cluster: Cluster) => string | number | undefined][] = [
  ['project', projectOf],
  ['name', (cluster) => cluster.metadata?.name],
  ['status', (cluster) => stateOf(cluster).label],
  ['since', (cluster) => stateOf(cluster).since],
  ['message', (cluster) => stateOf(cluster).sentence],
  ['version', (cluster) => cluster.status?.version ?? cluster.spec.version],
  ['upgrade', (cluster) => upgradeOf(cluster).to],
  ['datacenter', (cluster) => cluster.spec.datacenter],
  ['seed', (cluster) => cluster.status?.seed],
  ['nodesReady', (cluster) => nodesOf(cluster).ready],
  ['nodesWanted', (cluster) => nodesOf(cluster).wanted],
  ['created', (cluster) => cluster.metadata?.creationTimestamp ?? undefined],
  [
    'labels',
    (cluster) =>
      Object.entries(cluster.metadata?.labels ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(' '),
  ],
];

/** toCSV writes clusters as a table, with the names of the columns first. */
export function toCSV(clusters: Cluster[]): string {
  const rows = [columns.map(([name]) => name), ...clusters.map((cluster) => columns.map(([, of]) => of(cluster)))];
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

/** cell quotes what needs it. A text that a spreadsheet would take for a formula gets an apostrophe before it. */
function cell(value: string | number | undefined): string {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
