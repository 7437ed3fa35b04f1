// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { describe, expect, test } from 'vitest';
import { makeData } from '../../../e2e/fake/data';
import { describeMachine, localMachine, offerText, useOf } from '../pool.model';
import { choosable, command, type Draft, fromTemplate, fromYAML, missing, named, placed, toYAML } from './model';

const draft: Draft = {
  name: 'orders',
  spec: { datacenter: 'frankfurt', version: '1.37.2' },
  pools: [{ name: '', replicas: 3, machine: localMachine({ cpu: '2', memory: '4Gi' }) }],
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
      pools: [{ ...draft.pools[0]!, machine: localMachine({ cpu: "1'; rm -rf /", memory: '1Gi' }) }],
    };
    expect(command('shop', evil)).toContain("1'\\''; rm -rf /");
  });
});

test('what is missing is said where it is', () => {
  expect(missing({ ...draft, name: '' }, 1)).toHaveProperty(['metadata.name']);
  expect(missing({ ...draft, name: 'Orders!' }, 1)).toHaveProperty(['metadata.name']);
  expect(missing(draft, 1)).toEqual({});
  expect(missing({ ...draft, pools: [draft.pools[0]!, { ...draft.pools[0]!, name: 'orders-workers' }] }, 2)).toHaveProperty([
    'pools.1.metadata.name',
  ]);
});

test('a template fills everything but the name', () => {
  const filled = fromTemplate(makeData().templates[0]!, draft);
  expect(filled).toMatchObject({
    name: 'orders',
    spec: { maintenance: { autoUpgrade: 'Patch' } },
    pools: [{ replicas: 3, machine: { local: { resources: { requests: { cpu: '2', memory: '4Gi' } } } } }],
  });
});

test('blocked versions are not offered, and old ones say so', () => {
  const offered = choosable(makeData().releases, Date.parse('2026-11-28'));
  expect(offered.map((version) => version.version)).toEqual(['1.37.2', '1.36.5', '1.36.3', '1.35.4']);
  expect(offered.at(-1)?.over).toBe(true);
});

describe('machines of clouds', () => {
  const aws = placed(draft, 'frankfurt-aws', 'aws');
  const offered = [{ name: 't3.large', cpus: 2, memory: '8Gi', pricePerHour: '0.0832', currency: 'USD' }];

  test('another provider asks for other machines, and for credentials', () => {
    expect(aws.pools[0]?.machine).toEqual({ aws: {} });
    expect(missing(aws, 1, 'aws')).toHaveProperty(['spec.preset']);
    expect(missing(aws, 2)).toEqual({ 'pools.0.spec.provider.aws.instanceType': 'This is needed.' });
    expect(placed(aws, 'frankfurt-aws', 'aws')).toEqual(aws);
  });
  test('nothing is needed of machines of one’s own', () => {
    expect(missing(placed(draft, 'office', 'bringYourOwn'), 2)).toEqual({});
    expect(missing(placed(draft, 'office', 'bringYourOwn'), 1, 'bringYourOwn')).toEqual({});
  });
  test('what a size takes of the quota is what the provider says of it', () => {
    const pools = [{ replicas: 3, machine: { aws: { instanceType: 't3.large' } } }, ...draft.pools];
    expect(useOf(pools, 1, offered)).toEqual({ clusters: 1, nodes: 6, cpu: 12, memory: 36 * 2 ** 30 });
    expect(useOf(pools, 1)).toMatchObject({ nodes: 6, cpu: 6 });
  });
  test.each([
    [{ aws: { instanceType: 't3.large', spot: {} } }, 't3.large, spot'],
    [{ vsphere: { cpus: 4, memoryMiB: 8192 } }, '4 CPU, 8 GiB'],
    [localMachine({ cpu: '500m', memory: '1Gi' }), '0.5 CPU, 1 GiB'],
    [{ bringYourOwn: {} }, 'machines of your own'],
    [undefined, ''],
  ])('%j is said in words', (machine, words) => expect(describeMachine(machine)).toBe(words));
  test('a size says what it is and costs', () => expect(offerText(offered[0]!)).toBe('t3.large · 2 CPU, 8 GiB · 0.0832 USD/h'));
});
