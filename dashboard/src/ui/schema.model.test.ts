// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import schemas from 'virtual:schemas';
import { describe, expect, test } from 'vitest';
import { fieldsOf, fromLocal, fromPairs, helpOf, labelOf, localTime, pairsOf, pathsOf, put, type Schema } from './schema.model';

test.each([
  ['podCIDR', 'Pod CIDR'],
  ['diskGiB', 'Disk (GiB)'],
  ['dnsServers', 'DNS servers'],
  ['insecureSkipTLSVerify', 'Insecure skip TLS verify'],
  ['floatingIPs', 'Floating IPs'],
  ['cpus', 'CPUs'],
  ['kubeconfigSecretName', 'Kubeconfig secret name'],
])('%s is called %s', (key, label) => expect(labelOf(key)).toBe(label));

test.each([
  ['country', 'country is where the seed is, as two letters.', 'Where the seed is, as two letters.'],
  ['drained', 'drained keeps new clusters away.', 'Keeps new clusters away.'],
  ['region', 'region, for example "nyc1".', 'For example "nyc1".'],
  ['aws', 'AWSPlace is a region of Amazon Web Services.', 'A region of Amazon Web Services.'],
  ['disabled', 'disabled: neither is installed.', 'Neither is installed.'],
  ['max', '', ''],
])('the help of %s', (key, description, help) => expect(helpOf(key, description)).toBe(help));

describe('forms of the API’s own kinds', () => {
  test('every member of every kind can be asked for', () => {
    const walk = (schema: Schema): void => {
      for (const field of fieldsOf(schema)) {
        expect(field.label).not.toBe('');
        walk(field.schema);
      }
    };
    for (const schema of Object.values(schemas)) walk(schema);
    expect(JSON.stringify(schemas)).not.toContain('$ref');
  });
  test('what is required is first, then what is wanted', () => {
    const keys = fieldsOf(schemas.DatacenterSpec!, ['seed', 'provider', 'country']).map((field) => field.key);
    expect(keys.slice(0, 3)).toEqual(['seed', 'provider', 'country']);
  });
  test('providers are one of many, and spot is switched on', () => {
    const provider = fieldsOf(schemas.NodePoolSpec!).find((field) => field.key === 'provider')!;
    expect(provider.shape).toBe('oneOf');
    const spot = fieldsOf(provider.schema.properties!.aws!).find((field) => field.key === 'spot');
    expect(spot).toMatchObject({ shape: 'object', telling: true });
    expect(fieldsOf(schemas.ClusterSpec!).find((field) => field.key === 'network')).toMatchObject({ telling: false });
  });
  test('an error has a place when there is a field for it', () => {
    const paths = pathsOf(schemas.DatacenterSpec!, 'spec');
    expect(paths).toEqual(expect.arrayContaining(['spec.provider.aws.region', 'spec.provider.aws', 'spec.provider']));
    expect(paths).not.toContain('spec');
  });
});

test('what is empty is left out, unless its being there says something', () => {
  expect(put({ a: 1 }, 'a', '')).toEqual({});
  expect(put({ a: 1 }, 'b', {})).toEqual({ a: 1 });
  expect(put({}, 'spot', {}, true)).toEqual({ spot: {} });
  expect(put({ spot: {} }, 'spot', undefined, true)).toEqual({});
  expect(put(undefined, 'n', 0)).toEqual({ n: 0 });
});

test('pairs and times survive being written and read', () => {
  expect(fromPairs([...pairsOf({ team: 'shop', empty: '' }), 'nonsense'])).toEqual({ team: 'shop', empty: '' });
  expect(fromLocal(localTime('2026-11-28T12:30:00Z'))).toBe('2026-11-28T12:30:00Z');
  expect(fromLocal('')).toBeUndefined();
});
