// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Schema } from '../../api';
import { bytes, round } from '../../format';

type Series = Schema<'Series'>;

export interface Line {
  label: string;
  points: [number, number][];
}

export interface Chart {
  title: string;
  what: string;
  lines: Line[];
  /** limit is what there is, where that is known. */
  limit?: number;
  write: (value: number) => string;
}

/** cores writes an amount of CPU: 250 m, 1.5 cores. */
export const cores = (value: number) => (value < 1 ? `${Math.round(value * 1000)} m` : `${round(value)} cores`);

const writers: Record<Series['unit'], (value: number) => string> = {
  cores,
  bytes,
  'requests/s': (value) => `${round(value)}/s`,
  ratio: (value) => `${round(value * 100)} %`,
  seconds: (value) => (value < 1 ? `${round(value * 1000)} ms` : `${round(value)} s`),
};

const wanted: { title: string; what: string; names: Series['name'][]; limit?: Series['name'] }[] = [
  { title: 'Node CPU', what: 'used by each node, of what pods may use', names: ['nodeCPU'], limit: 'nodeCPUAllocatable' },
  { title: 'Node memory', what: 'used by each node, of what pods may use', names: ['nodeMemory'], limit: 'nodeMemoryAllocatable' },
  { title: 'Control plane CPU', what: 'used by each component', names: ['controlPlaneCPU'] },
  { title: 'Control plane memory', what: 'used by each component', names: ['controlPlaneMemory'] },
  { title: 'API requests', what: 'by what they do', names: ['apiserverRequests'] },
  { title: 'API errors', what: 'the share of answers that are the fault of the server', names: ['apiserverErrors'] },
  { title: 'API latency', what: '99 of 100 requests are faster', names: ['apiserverLatency'] },
  { title: 'etcd size', what: 'the file, and what of it is used', names: ['etcdSize', 'etcdSizeInUse'] },
  { title: 'etcd fsync', what: '99 of 100 writes to the disk are faster', names: ['etcdFsync'] },
];

/** charts puts series into charts. A chart of which nothing was measured is not there. */
export function charts(series: Series[]): Chart[] {
  return wanted.flatMap(({ title, what, names, limit }) => {
    const found = series.filter((one) => names.includes(one.name) && one.points.length > 0);
    if (found.length === 0) return [];
    const limits = series.filter((one) => one.name === limit).map((one) => one.points.at(-1)?.[1] ?? 0);
    return [
      {
        title,
        what,
        lines: found.map((one) => ({ label: labelOf(one, names.length > 1), points: one.points as [number, number][] })),
        limit: limits.length ? Math.max(...limits) : undefined,
        write: writers[found[0]!.unit],
      },
    ];
  });
}

function labelOf(series: Series, several: boolean): string {
  const labels = Object.values(series.labels).join(' ');
  if (labels) return labels;
  return several ? (series.name === 'etcdSizeInUse' ? 'used' : 'file') : '';
}

/** top is the end of a scale: a little above the highest value, and never zero. */
export function top(lines: Line[]): number {
  const highest = Math.max(0, ...lines.flatMap((line) => line.points.map((point) => point[1])));
  if (highest === 0) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  return ([1, 1.5, 2, 3, 5, 7.5, 10].find((step) => step * power >= highest) ?? 10) * power;
}

/** path draws a line in a box; where nothing was measured for more than two steps there is a gap. */
export function path(
  points: [number, number][],
  box: { from: number; to: number; top: number; width: number; height: number; step: number },
): string {
  let before: number | undefined;
  return points
    .map(([time, value]) => {
      const x = ((time - box.from) / Math.max(1, box.to - box.from)) * box.width;
      const y = box.height - (Math.min(value, box.top) / box.top) * box.height;
      const move = before === undefined || time - before > 2 * box.step;
      before = time;
      return `${move ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join('');
}

/** nearest returns the point that is closest to a time. */
export function nearest(points: [number, number][], time: number): [number, number] | undefined {
  let best: [number, number] | undefined;
  for (const point of points) if (!best || Math.abs(point[0] - time) < Math.abs(best[0] - time)) best = point;
  return best;
}
