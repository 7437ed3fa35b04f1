// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { NodePool } from '../api';
import { bytes, quantity, round } from '../format';
import type { Use } from '../ui/quota.model';

export interface Size {
  cpu: string;
  memory: string;
}

/** sizes are what is offered; others can be typed. */
export const sizes: (Size & { name: string })[] = [
  { name: 'Small', cpu: '1', memory: '2Gi' },
  { name: 'Medium', cpu: '2', memory: '4Gi' },
  { name: 'Large', cpu: '4', memory: '8Gi' },
  { name: 'Extra large', cpu: '8', memory: '16Gi' },
];

/** localMachine is what a machine of the local provider is. */
export function localMachine(size: Size): NodePool['spec']['provider'] {
  const resources = { cpu: size.cpu, memory: size.memory };
  return { local: { resources: { requests: resources, limits: resources } } };
}

/** describeMachine says in a few words what the machines of a pool are. */
export function describeMachine(provider: NodePool['spec']['provider'] | undefined): string {
  const [name, settings] = Object.entries(provider ?? {})[0] ?? [];
  if (!name) return '';
  const resources = (settings as { resources?: { requests?: Record<string, string>; limits?: Record<string, string> } }).resources;
  const of = resources?.requests ?? resources?.limits;
  if (of?.cpu || of?.memory)
    return [of.cpu && `${round(quantity(of.cpu))} CPU`, of.memory && bytes(quantity(of.memory))].filter(Boolean).join(', ');
  const rest = Object.entries(settings ?? {}).filter(([, value]) => typeof value === 'string');
  return rest.length ? rest.map(([, value]) => String(value)).join(', ') : name;
}

export function limitsOf(pool: NodePool): string[] {
  return Object.keys(pool.spec.labels ?? {}).length ? ['pods that ask for its labels will wait for another pool that has them'] : [];
}

/** useOf is what pools take of a quota. */
export function useOf(pools: { replicas: number; cpu: string; memory: string }[], clusters: number): Use {
  const sum = (of: (pool: (typeof pools)[number]) => number) => pools.reduce((total, pool) => total + pool.replicas * (of(pool) || 0), 0);
  return { clusters, nodes: sum(() => 1), cpu: sum((pool) => quantity(pool.cpu)), memory: sum((pool) => quantity(pool.memory)) };
}
