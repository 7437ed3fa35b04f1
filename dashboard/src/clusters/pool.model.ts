// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { NodePool, Schema } from '../api';
import { bytes, quantity, round } from '../format';
import type { Use } from '../ui/quota.model';

/** Machine is what the machines of a pool are: one block, called as the provider. */
export type Machine = NodePool['spec']['provider'];

export interface Size {
  cpu: string;
  memory: string;
}

/** sizes are what is offered where machines have no sizes of the provider's; others can be typed. */
export const sizes: (Size & { name: string })[] = [
  { name: 'Small', cpu: '1', memory: '2Gi' },
  { name: 'Medium', cpu: '2', memory: '4Gi' },
  { name: 'Large', cpu: '4', memory: '8Gi' },
  { name: 'Extra large', cpu: '8', memory: '16Gi' },
];

/** sizeFields are the fields with the sizes in which clouds sell machines. */
export const sizeFields: Record<string, string> = {
  aws: 'instanceType',
  azure: 'size',
  digitalocean: 'size',
  gcp: 'machineType',
  hetzner: 'serverType',
  openstack: 'flavor',
};

/** needsPreset says whether a provider lets nobody in without credentials. */
export function needsPreset(provider: string): boolean {
  return provider in sizeFields || provider === 'vsphere';
}

/** providerIn returns the name of a block, and what is in it. */
export function providerIn(machine: Machine | undefined): [string, Record<string, unknown>] {
  const [name = '', settings] = Object.entries(machine ?? {})[0] ?? [];
  return [name, (settings ?? {}) as Record<string, unknown>];
}

/** localMachine is what a machine of the local provider is. */
export function localMachine(size: Size): Machine {
  const resources = { cpu: size.cpu, memory: size.memory };
  return { local: { resources: { requests: resources, limits: resources } } };
}

/** localSize reads it. */
export function localSize(machine: Machine): Size {
  const resources = machine.local?.resources;
  const of = (resources?.requests ?? resources?.limits ?? {}) as Record<string, string>;
  return { cpu: of.cpu ?? '', memory: of.memory ?? '' };
}

/** machineAt is what a machine of a provider is until somebody says more. */
export function machineAt(provider: string): Machine {
  return provider && provider !== 'local' ? ({ [provider]: {} } as Machine) : localMachine({ cpu: '2', memory: '4Gi' });
}

/** Offered is a size that a cloud sells. */
export type Offered = Schema<'Size'>;

/** offerText writes a size as people choose it: "t3.large · 2 CPU, 8 GiB · 0.0832 USD/h". */
export function offerText(offer: Offered): string {
  const parts = [offer.name, `${offer.cpus} CPU, ${bytes(quantity(offer.memory))}${offer.gpus ? `, ${offer.gpus} GPU` : ''}`];
  if (offer.architecture && offer.architecture !== 'amd64') parts.push(offer.architecture);
  if (offer.pricePerHour) parts.push(`${offer.pricePerHour} ${offer.currency ?? ''}/h`);
  return parts.join(' · ');
}

/** takes is what one machine takes of a quota; undefined: its size is not known here. */
export function takes(machine: Machine, offered: Offered[] = []): { cpu: number; memory: number } | undefined {
  const [provider, settings] = providerIn(machine);
  if (provider === 'local') {
    const size = localSize(machine);
    return { cpu: quantity(size.cpu) || 0, memory: quantity(size.memory) || 0 };
  }
  if (provider === 'vsphere' && settings.cpus && settings.memoryMiB)
    return { cpu: Number(settings.cpus), memory: Number(settings.memoryMiB) * 2 ** 20 };
  const offer = offered.find((one) => one.name === settings[sizeFields[provider] ?? '']);
  return offer && { cpu: offer.cpus, memory: quantity(offer.memory) || 0 };
}

/** useOf is what pools take of a quota, as far as it is known. */
export function useOf(pools: { replicas: number; machine: Machine }[], clusters: number, offered?: Offered[]): Use {
  const use = { clusters, nodes: 0, cpu: 0, memory: 0 };
  for (const pool of pools) {
    const one = takes(pool.machine, offered);
    use.nodes += pool.replicas;
    use.cpu += pool.replicas * (one?.cpu ?? 0);
    use.memory += pool.replicas * (one?.memory ?? 0);
  }
  return use;
}

/** wantedOf is how many machines a pool is to have, whoever says so. */
export function wantedOf(pool: NodePool): number {
  const { autoscaling, replicas } = pool.spec;
  return autoscaling ? (pool.status?.wantedReplicas ?? autoscaling.minReplicas) : (replicas ?? 1);
}

/** describeMachine says in a few words what the machines of a pool are. */
export function describeMachine(machine: Machine | undefined): string {
  const [provider, settings] = providerIn(machine);
  if (!machine || !provider) return '';
  if (provider === 'bringYourOwn') return 'machines of your own';
  const size = settings[sizeFields[provider] ?? ''];
  if (size) return `${size}${settings.spot ? ', spot' : ''}`;
  const known = takes(machine);
  return known && (known.cpu || known.memory) ? `${round(known.cpu)} CPU, ${bytes(known.memory)}` : provider;
}

export function limitsOf(pool: NodePool): string[] {
  return Object.keys(pool.spec.labels ?? {}).length ? ['pods that ask for its labels will wait for another pool that has them'] : [];
}
