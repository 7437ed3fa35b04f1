// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { describe, expect, test } from 'vitest';
import { makeData } from '../../../e2e/fake/data';
import { choosable, command, type Draft, fromTemplate, fromYAML, missing, named, toYAML } from './model';

const draft: Draft = {
  name: 'orders',
  spec: { datacenter: 'frankfurt', version: '1.37.2' },
  pools: [{ name: '', replicas: 3, cpu: '2', memory: '4Gi' }],
};

describe('form and YAML are the same', () => {
  test('a draft survives being written and read', () => {
    expect(fromYAML(toYAML('shop', draft))).toEqual(named(draft));
  });

  test('what the form does not show survives too', () => {
    const text = toYAML('shop', draft)
      .replace('  datacenter: frankfurt', '  datacenter: frankfurt\n  coreDNS:\n    replicas: 2')
      .replace('  replicas: 3', '  replicas: 3\n  taints:\n    - key: gpu\n      effect: NoSchedule');
    const read = fromYAML(text) as Draft;
    expect(read.spec.coreDNS).toEqual({ replicas: 2 });
    expect(read.pools[0]?.other).toEqual({ taints: [{ key: 'gpu', effect: 'NoSchedule' }] });
    expect(fromYAML(toYAML('shop', read))).toEqual(read);
  });

  test.each([
    ['kind: Cluster\nmetadata: {name: a', 'nothing that is half written'],
    ['kind: Secret', 'nothing but a cluster and its pools'],
    ['', 'nothing without a cluster'],
    ['- 1', 'no list'],
    ['kind: Cluster\nspec: {}\n---\nkind: Cluster\nspec: {}', 'not two clusters'],
  ])('%j is refused: %s', (text) => {
    expect(fromYAML(text)).toHaveProperty('error');
  });
});

describe('the command', () => {
  test('has flags for everything', () => {
    expect(command('shop', draft)).toContain('--nodes 3 --machine \'{"local"');
  });
  test('is apply when there is something without a flag', () => {
    expect(command('shop', { ...draft, spec: { ...draft.spec, encryption: { enabled: true } } })).toBe('canopy apply -f cluster.yaml');
  });
  test('does not let a name end its quotes', () => {
    const evil = {
      ...draft,
      pools: [{ ...draft.pools[0]!, other: { provider: { local: { resources: { requests: { cpu: "1'; rm -rf /" } } } } } }],
    };
    expect(command('shop', evil)).toContain("1'\\''; rm -rf /");
  });
});

test('what is missing is said where it is', () => {
  expect(missing({ ...draft, name: '' }, 1)).toHaveProperty('metadata.name');
  expect(missing({ ...draft, name: 'Orders!' }, 1)).toHaveProperty('metadata.name');
  expect(missing(draft, 1)).toEqual({});
  expect(missing({ ...draft, pools: [draft.pools[0]!, { ...draft.pools[0]!, name: 'orders-workers' }] }, 2)).toHaveProperty('pools.1.name');
});

test('a template fills everything but the name', () => {
  const filled = fromTemplate(makeData().templates[0]!, draft);
  expect(filled).toMatchObject({
    name: 'orders',
    spec: { maintenance: { autoUpgrade: 'Patch' } },
    pools: [{ replicas: 3, cpu: '2', memory: '4Gi' }],
  });
});

test('blocked versions are not offered, and old ones say so', () => {
  const offered = choosable(makeData().releases, Date.parse('2026-11-28'));
  expect(offered.map((version) => version.version)).toEqual(['1.37.2', '1.36.5', '1.36.3', '1.35.4']);
  expect(offered.at(-1)?.over).toBe(true);
});
