// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { expect, test } from 'vitest';
import { charts, nearest, path, top } from './charts.model';

const series = (name: string, unit: string, labels: Record<string, string>, points: [number, number][]) =>
  ({ name, unit, labels, points }) as never;

test('series become charts, and what was not measured is not there', () => {
  const found = charts([
    series('nodeCPU', 'cores', { node: 'a' }, [[0, 0.25]]),
    series('nodeCPUAllocatable', 'cores', { node: 'a' }, [[0, 2]]),
    series('etcdFsync', 'seconds', {}, []),
  ]);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ title: 'Node CPU', limit: 2, lines: [{ label: 'a' }] });
  expect(found[0]?.write(0.25)).toBe('250 m');
});

test('a scale ends a little above the highest value', () => {
  expect(top([{ label: '', points: [[0, 0.42]] }])).toBe(0.5);
  expect(top([{ label: '', points: [[0, 0]] }])).toBe(1);
});

test('a line has a gap where nothing was measured', () => {
  const box = { from: 0, to: 300, top: 10, width: 300, height: 100, step: 30 };
  expect(
    path(
      [
        [0, 0],
        [30, 10],
        [300, 20],
      ],
      box,
    ),
  ).toBe('M0.0 100.0L30.0 0.0M300.0 0.0');
});

test('the nearest point is found', () =>
  expect(
    nearest(
      [
        [0, 1],
        [30, 2],
        [60, 3],
      ],
      40,
    ),
  ).toEqual([30, 2]));
