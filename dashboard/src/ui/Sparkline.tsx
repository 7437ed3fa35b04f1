// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { path, top } from '../clusters/live/charts.model';

type Point = [number, number];
const width = 48;
const height = 18;

/** Sparkline is a line of a table: how something went, and how much it is of what there is. */
export function Sparkline({ points, limit, write, what }: { points: Point[]; limit?: number; write: (n: number) => string; what: string }) {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return <span style={{ color: 'var(--mantine-color-dimmed)' }}>–</span>;
  const box = { from: first[0], to: last[0], top: limit || top([{ label: '', points }]), step: 300, width, height };
  const share = limit ? last[1] / limit : 0;
  const text = limit ? `${write(last[1])} of ${write(limit)}` : write(last[1]);
  return (
    <span
      style={{ display: 'inline-flex', alignItems: 'center', gap: 8, whiteSpace: 'nowrap', verticalAlign: 'middle' }}
      title={`${what}: ${text}, over the last hour`}
      data-tone={share > 0.9 ? 'bad' : share > 0.8 ? 'warn' : 'good'}
    >
      <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden style={{ overflow: 'visible' }}>
        <line x1={0} x2={width} y1={height} y2={height} stroke="var(--canopy-line)" />
        <path d={path(points, box)} fill="none" stroke="var(--tone)" strokeWidth={1.4} />
      </svg>
      <span className="number" style={{ fontSize: 12 }}>
        {limit ? `${Math.round(share * 100)} %` : write(last[1])}
      </span>
    </span>
  );
}
