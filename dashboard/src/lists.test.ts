// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { expect, test } from 'vitest';
import { cluster, makeData } from '../e2e/fake/data';
import { byCode, capacityOf, lookOf } from './admin/model';
import { toCSV } from './clusters/csv';
import { planOf } from './projects/sets.model';
import { current, phaseOf, seenKey } from './ui/announce.model';
import { dots, placeOf } from './ui/world';

const data = makeData();

test('a table of clusters has a line for each, and nothing in it is a formula', () => {
  const odd = cluster('shop', 'a', 'nodes');
  odd.spec.datacenter = '=cmd|"x"';
  const [head, line, end] = toCSV([odd]).split('\r\n');
  expect(head).toMatch(/^project,name,status,since,message,version/);
  expect(line).toContain('shop,a,Waiting for nodes,');
  expect(line).toContain(`"'=cmd|""x"""`);
  expect(end).toBe('');
});

test('announcements are shown while they matter, and until they are put away', () => {
  const now = Date.now();
  const [warning, old] = data.announcements;
  const critical = { ...warning!, metadata: { name: 'a', uid: 'a' }, spec: { ...warning!.spec, severity: 'Critical' as const } };
  expect(current(data.announcements, now, [])).toEqual([warning]);
  expect(current([warning!, critical], now, [seenKey(warning!), seenKey(critical)])).toEqual([critical]);
  expect(phaseOf(old!, now)).toBe('Over');
  expect(phaseOf({ ...warning!, spec: { message: 'x', from: new Date(now + 60_000).toISOString() } }, now)).toBe('Planned');
});

test('a plan waits for approval as long as it is of another revision', () => {
  const set = data.clustersets[0]!;
  expect(planOf(set)).toEqual({ revision: '9a42', clusters: 2 });
  expect(planOf({ ...set, spec: { ...set.spec, rollout: { revision: '9a42' } } })).toBeUndefined();
});

test('the fleet is summed up', () => {
  expect(byCode(data.audit.filter((record) => (record.result?.status ?? 0) >= 400))).toEqual([{ label: 'ERR_FORBIDDEN', count: 1 }]);
  expect(capacityOf(data.seeds, 'cpu')).toMatchObject({ allocatable: 384 });
  expect(capacityOf([], 'cpu')).toBeUndefined();
  expect(data.seeds.map((seed) => lookOf(seed).tone)).toEqual(['good', 'good', 'bad', 'good']);
});

test('countries are on the map where they are', () => {
  const { x = 0, y = 0 } = placeOf('DE') ?? {};
  expect(x).toBeCloseTo(0.536, 2);
  expect(y).toBeCloseTo(0.23, 1);
  expect(placeOf('XX')).toBeUndefined();
  expect(dots.split('M').length).toBeGreaterThan(1000);
});
