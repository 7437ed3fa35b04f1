// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { describe, expect, test } from 'vitest';
import { cluster } from '../../e2e/fake/data';
import { componentsOf, goesWith, stateOf, upgradeOf } from './model';

describe('what is going on with a cluster', () => {
  test.each([
    ['ready', 'good', 'Ready', 'Ready: the API answers, and 3 nodes are there.'],
    ['creating', 'busy', 'Creating', 'Creating: etcd: waiting for its volume.'],
    ['nodes', 'busy', 'Waiting for nodes', 'Waiting for nodes: 1 of 3 nodes of workers is ready: workers-x7kq2 is installing kubelet.'],
    ['quota', 'bad', 'Over quota', 'Over quota: the project may have 6 nodes and this cluster wants 8.'],
    ['unknown', 'warn', 'Unknown', undefined],
    ['deleting', 'busy', 'Deleting', 'Deleting: 2 machines are being drained.'],
    ['upgrading', 'busy', 'Upgrading', undefined],
  ] as const)('%s', (health, tone, label, sentence) => {
    const state = stateOf(cluster('shop', 'a', health));
    expect(state).toMatchObject({ tone, label });
    if (sentence) expect(state.sentence).toBe(sentence);
    expect(state.since).toBeDefined();
  });

  test('a cluster that nobody has looked at is not broken', () => {
    const fresh = { ...cluster('shop', 'a', 'creating'), status: undefined };
    expect(stateOf(fresh)).toMatchObject({ tone: 'busy', label: 'Pending' });
  });

  test('who has to act is told what to do', () => {
    expect(stateOf(cluster('shop', 'a', 'quota'))).toMatchObject({ who: 'you', next: expect.stringContaining('quota') });
    expect(stateOf(cluster('shop', 'a', 'unknown')).who).toBe('operator');
  });
});

test('the newest version is offered, and the end of fixes is said', () => {
  expect(upgradeOf(cluster('shop', 'a', 'ready', { version: '1.35.4' }))).toMatchObject({ to: '1.36.5', endOfLife: true });
  expect(upgradeOf(cluster('shop', 'a', 'ready'))).toMatchObject({ to: undefined, endOfLife: false });
});

test('what waits comes first', () => {
  expect(componentsOf(cluster('shop', 'a', 'creating'))[0]).toMatchObject({ ready: false });
});

test('a delete names the machines that go', () => {
  expect(goesWith(cluster('shop', 'a', 'ready')).join()).toContain('1 node pool with 3 machines');
});
