// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import schemas from 'virtual:schemas';
import { expect, test } from 'vitest';
import type { Schema } from '../../ui/schema.model';
import { localMachine } from '../pool.model';
import type { Draft } from './model';
import { maps, nameOf, toTerraform } from './terraform';

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: it is Terraform's
const draft: Draft = {
  name: 'orders',
  spec: { datacenter: 'frankfurt', version: '1.37.2', sshKeys: ['ada'], apiServer: { extraArgs: { 'audit-log-maxage': '${x}"' } } },
  pools: [{ name: '', replicas: 3, machine: localMachine({ cpu: '2', memory: '4Gi' }) }],
};
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: it is Terraform's

test('a draft is a cluster and its pools, as terraform fmt writes them', () => {
  expect(toTerraform('shop', draft)).toBe(`resource "canopy_cluster" "orders" {
  project    = "shop"
  name       = "orders"
  datacenter = "frankfurt"
  version    = "1.37.2"
  ssh_keys   = ["ada"]
  api_server = {
    extra_args = {
      audit-log-maxage = "$\${x}\\""
    }
  }
}

resource "canopy_node_pool" "orders-workers" {
  project  = canopy_cluster.orders.project
  cluster  = canopy_cluster.orders.name
  name     = "orders-workers"
  replicas = 3
  infrastructure = {
    local = {
      resources = {
        requests = {
          cpu    = "2"
          memory = "4Gi"
        }
        limits = {
          cpu    = "2"
          memory = "4Gi"
        }
      }
    }
  }
}
`);
});

// The reference is written from what the provider says of itself.
const reference = readFileSync(join(import.meta.dirname, '../../../../docs/reference/terraform.md'), 'utf8');
const attributes = (resource: string) => {
  const part = reference.split(`## resource \`${resource}\``)[1]?.split('\n## ')[0] ?? '';
  return new Set([...part.matchAll(/^\| `([\w.]+)`/gm)].map((match) => match[1]));
};

test.each([
  ['canopy_cluster', 'ClusterSpec'],
  ['canopy_node_pool', 'NodePoolSpec'],
])('every field of a spec has its attribute in %s', (resource, kind) => {
  const known = attributes(resource);
  const missing: string[] = [];
  const walk = (schema: Schema, at: string) => {
    for (const [key, of] of Object.entries(schema.properties ?? {})) {
      const name = at + nameOf(key);
      if (!known.has(name)) missing.push(name);
      if (of.additionalProperties) expect(maps).toContain(key);
      if (of.type === 'object') walk(of, `${name}.`);
    }
  };
  walk(schemas[kind]!, '');
  expect(missing).toEqual([]);
});
