// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { describe, expect, test } from 'vitest';
import { makeData } from '../e2e/fake/data';
import { byReason, byVersion } from './admin/model';
import { age, bytes, duration, quantity } from './format';
import { type Change, kindOf, patchList, places } from './live.model';
import { rightsIn } from './me.model';
import { asProblem, fieldErrors } from './problem';
import { actOf, concerns, firstSteps, tally } from './projects/model';
import { quotaRows } from './ui/quota.model';

describe('texts', () => {
  test.each([
    [0, '0 s'],
    [41, '41 s'],
    [140, '2 min 20 s'],
    [3600, '1 h'],
    [7500, '2 h 5 min'],
    [90_000, '1 d 1 h'],
    [10 * 86_400, '10 d'],
    [-5, '0 s'],
  ])('%d seconds', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
  test('ages have one unit', () => expect(age('2026-01-01T00:00:00Z', Date.parse('2026-01-01T05:10:00Z'))).toBe('5 h'));
  test.each([
    ['500m', 0.5],
    ['8Gi', 8 * 2 ** 30],
    ['2', 2],
    ['1.5k', 1500],
    ['nonsense', Number.NaN],
    [undefined, Number.NaN],
  ])('quantity %j', (text, n) => {
    expect(quantity(text)).toBe(n);
  });
  test('sizes', () => expect(bytes(1.5 * 2 ** 30)).toBe('1.5 GiB'));
});

describe('the stream of changes', () => {
  const list = {
    items: [{ metadata: { name: 'a', namespace: 'project-x' } }, { metadata: { name: 'b', namespace: 'project-x' } }],
    totalSize: 2,
  };
  const change = (verb: Change['verb'], name: string): Change => ({
    verb,
    kind: 'Cluster',
    project: 'x',
    object: { metadata: { name, namespace: 'project-x', uid: 'new' } },
  });

  test('a path is about its last word', () => {
    expect(kindOf('/api/v1/projects/{project}/clusters/{name}')).toBe('clusters');
    expect(kindOf('/api/v1/projects/{project}/clusters/{cluster}/machines')).toBe('machines');
  });
  test('a changed object is put in its place, and the list is another one', () => {
    const patched = patchList(list, change('modified', 'b')) as typeof list;
    expect(patched.items[1]).toMatchObject({ metadata: { uid: 'new' } });
    expect(patched).not.toBe(list);
    expect(patched.items[0]).toBe(list.items[0]);
  });
  test('a deleted one goes, an unknown one changes nothing', () => {
    expect((patchList(list, change('deleted', 'a')) as typeof list).items).toHaveLength(1);
    expect(patchList(list, change('modified', 'c'))).toBeUndefined();
    expect(patchList(undefined, change('modified', 'a'))).toBeUndefined();
  });
  test('the same name in another project is another object', () => {
    const place = places(change('modified', 'a'));
    expect(place.isAt({ project: 'x', name: 'a' })).toBe(true);
    expect(place.isAt({ project: 'y', name: 'a' })).toBe(false);
    expect(places({ verb: 'modified', kind: 'ClusterTemplate', object: {} }).kind).toBe('templates');
  });
});

describe('problems', () => {
  test('what the server says of a field is on the field', () => {
    const problem = {
      ...asProblem(new Error('x')),
      errors: [
        { location: 'body.spec.version', message: 'is not supported' },
        { location: 'body.spec.foo', message: 'is unknown' },
        { message: 'everything' },
      ],
    };
    expect(fieldErrors(problem, ['spec.version'])).toEqual({
      fields: { 'spec.version': 'is not supported' },
      rest: ['spec.foo: is unknown', 'everything'],
    });
  });
  test('what is said of a place goes to the deepest field, whatever the order', () => {
    const problem = { ...asProblem(new Error('x')), errors: [{ location: 'body.spec.autoscaling.minReplicas', message: 'is too small' }] };
    const fields = { 'spec.autoscaling.minReplicas': 'is too small' };
    expect(fieldErrors(problem, ['spec.autoscaling', 'spec.autoscaling.minReplicas'])).toEqual({ fields, rest: [] });
  });
  test('a network failure may pass', () =>
    expect(asProblem(new TypeError('fetch failed'))).toMatchObject({ retryable: true, code: 'ERR_OFFLINE' }));
});

describe('who may do what', () => {
  const self = makeData().self;
  test.each([
    ['shop', 'Owner', true, true],
    ['payments', 'Viewer', false, false],
    ['payments', 'Editor', true, false],
  ])('%s as %s', (project, role, edit, own) => {
    expect(rightsIn({ ...self, admin: false, projects: [{ name: project, roles: [role] }] }, project)).toMatchObject({ edit, own });
  });
  test('administrators may everything', () => expect(rightsIn(self, 'payments').own).toBe(true));
});

describe('at a glance', () => {
  const data = makeData();
  test('what needs somebody is listed, the worst first, and nothing that goes on as expected', () => {
    const found = concerns(data.clusters, data.seeds);
    expect(found[0]?.tone).toBe('bad');
    expect(found.map((concern) => concern.title)).toEqual(['payments/ledger-load', 'Seed nyc-1', 'shop/legacy-orders', 'shop/warehouse']);
  });
  test('clusters are counted', () => {
    expect(tally(data.clusters).reduce((sum, entry) => sum + entry.count, 0)).toBe(data.clusters.length);
    expect(byVersion(data.clusters)[0]?.label).toBe('1.37.2');
    expect(byReason(data.clusters.filter((cluster) => cluster.metadata?.deletionTimestamp))).toEqual([{ label: 'Deleting', count: 1 }]);
  });
  test('first steps are ticked off', () => {
    expect(firstSteps('new', { members: 1, keys: 0, clusters: [] }).filter((step) => step.done)).toEqual([]);
    expect(firstSteps('shop', { members: 2, keys: 1, clusters: data.clusters }).every((step) => step.done)).toBe(true);
  });
  test('a record is a sentence', () => expect(actOf(data.audit[0]!)).toBe('changed nodepool shop-staging-workers: spec.replicas'));
  test('a plan beyond the quota is red, and no bar is longer than its place', () => {
    const [clusters, nodes] = quotaRows(
      { hard: { clusters: 2, nodes: 10 }, used: { clusters: 1, nodes: 9 } },
      { clusters: 1, nodes: 5, cpu: 2, memory: 0 },
    );
    expect(clusters).toMatchObject({ tone: 'warn', text: '1 + 1 of 2' });
    expect(nodes?.tone).toBe('bad');
    expect(nodes!.usedShare + nodes!.plannedShare).toBeCloseTo(1);
  });
});
