// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Cluster, Schema } from '../api';
import { count } from '../format';
import { failing, find, toneOf } from '../ui/conditions.model';
import type { Tone } from '../ui/Status';

export interface State {
  tone: Tone;
  /** label is one word for tables. */
  label: string;
  /** sentence says what is going on, for a person. */
  sentence: string;
  /** since is when that began. */
  since?: string;
  /** who can do something about it; none: it passes by itself, or nothing has to be done. */
  who?: 'you' | 'operator';
  next?: string;
}

/** stateOf says how a cluster is. Red is only what does not pass by itself. */
export function stateOf(cluster: Cluster): State {
  const ready = find(cluster.status?.conditions, 'Ready');
  const since = ready?.lastTransitionTime;
  const message = ready?.message ?? '';
  if (cluster.metadata?.deletionTimestamp) {
    return { tone: 'busy', label: 'Deleting', sentence: sentence('Deleting', message), since: cluster.metadata.deletionTimestamp };
  }
  if (!ready) {
    return {
      tone: 'busy',
      label: 'Pending',
      sentence: 'Pending: no controller has looked at it yet.',
      since: cluster.metadata?.creationTimestamp ?? undefined,
    };
  }
  if (ready.status === 'Unknown') {
    return {
      tone: 'warn',
      label: 'Unknown',
      sentence: sentence('Not known', message || 'the seed does not answer'),
      since,
      who: 'operator',
      next: 'The cluster itself may run on as before. Administrators see the seed under Seeds.',
    };
  }
  if (ready.status === 'True') {
    if (cluster.spec.paused) return { tone: 'off', label: 'Paused', sentence: 'Paused: changes wait until it is resumed.', since };
    const nodes = cluster.status?.readyNodes ?? 0;
    return {
      tone: 'good',
      label: 'Ready',
      sentence: `Ready: the API answers, and ${nodes === 1 ? '1 node is' : `${nodes} nodes are`} there.`,
      since,
    };
  }
  if (failing(ready)) {
    return {
      tone: 'bad',
      label: labels[ready.reason] ?? 'Blocked',
      sentence: sentence(labels[ready.reason] ?? 'Blocked', message),
      since,
      who: 'you',
      next: nexts[ready.reason],
    };
  }
  const doing =
    cluster.status?.endpoint === undefined
      ? 'Creating'
      : ready.reason === 'WaitingForNodes'
        ? 'Waiting for nodes'
        : isUpgrading(cluster)
          ? 'Upgrading'
          : 'Updating';
  return {
    tone: toneOf(ready) === 'warn' && doing !== 'Creating' ? 'warn' : 'busy',
    label: doing,
    sentence: sentence(doing, message),
    since,
  };
}

function sentence(what: string, message: string): string {
  if (!message) return `${what}.`;
  return `${what}: ${message}${/[.!?]$/.test(message) ? '' : '.'}`;
}

const labels: Record<string, string> = {
  QuotaExceeded: 'Over quota',
  InvalidSpec: 'Invalid',
  UnsupportedVersion: 'Unsupported version',
  DatacenterMissing: 'No datacenter',
  PresetMissing: 'No preset',
  SecretMissing: 'No credentials',
  SSHKeyMissing: 'No SSH key',
  SeedMissing: 'No seed',
  SeedDrained: 'Seed drained',
  Forbidden: 'Forbidden',
};

const nexts: Record<string, string> = {
  QuotaExceeded: 'Ask for less, delete something, or have an administrator raise the quota.',
  InvalidSpec: 'Correct the setting that the message names.',
  UnsupportedVersion: 'Choose a version that the platform supports.',
  SSHKeyMissing: 'Add the key to the project, or take it out of the cluster.',
  PresetMissing: 'Choose another preset, or ask an administrator for it.',
};

export function isUpgrading(cluster: Cluster): boolean {
  const { version, targetVersion } = cluster.status ?? {};
  return version !== undefined && targetVersion !== undefined && version !== targetVersion;
}

/** upgradeOf returns the newest version that the cluster could have, and whether its own gets no fixes any more. */
export function upgradeOf(cluster: Cluster): { to?: string; endOfLife: boolean; why?: string } {
  const condition = find(cluster.status?.conditions, 'UpgradeAvailable');
  return { to: cluster.status?.availableUpgrades?.at(-1), endOfLife: condition?.reason === 'EndOfLife', why: condition?.message };
}

export function nodesOf(cluster: Cluster): { ready: number; wanted: number } {
  const pools = cluster.status?.nodePools ?? [];
  return { ready: cluster.status?.readyNodes ?? 0, wanted: pools.reduce((sum, pool) => sum + (pool.replicas ?? 0), 0) };
}

/** goesWith lists what is lost with a cluster. */
export function goesWith(cluster: Cluster): string[] {
  const { wanted } = nodesOf(cluster);
  const pools = cluster.status?.nodePools?.length ?? 0;
  return [
    'the control plane and everything in its etcd: all workloads, Secrets and settings',
    ...(pools ? [`${count(pools, 'node pool')} with ${count(wanted, 'machine')}, and the disks in them`] : []),
    'all kubeconfigs and tokens for it',
  ];
}

/** meanings explain the conditions of a cluster. */
export const meanings: Record<string, string> = {
  Ready: 'The cluster is as it was declared, with all of its nodes.',
  ControlPlaneReady: 'etcd, the API and the controllers of Kubernetes run and answer.',
  UpgradeAvailable: 'Whether a newer version can be installed, or the one here gets no fixes any more.',
  NodesReady: 'All machines of all pools have become nodes.',
  Synced: 'The seed has everything that was declared here.',
};

export interface Component {
  name: string;
  what: string;
  ready: boolean;
  reason?: string;
  message?: string;
}

const whats: Record<string, string> = {
  etcd: 'keeps everything that the cluster knows',
  apiserver: 'the API that kubectl and all controllers talk to',
  'kube-apiserver': 'the API that kubectl and all controllers talk to',
  'controller-manager': 'makes what was declared true',
  'kube-controller-manager': 'makes what was declared true',
  scheduler: 'chooses nodes for pods',
  'kube-scheduler': 'chooses nodes for pods',
  openvpn: 'the way from the API to nodes and pods',
  konnectivity: 'the way from the API to nodes and pods',
  prometheus: 'measures the control plane',
  coredns: 'names inside the cluster',
  flannel: 'the network of pods',
  'kube-proxy': 'addresses of Services',
  'metrics-server': 'kubectl top, and autoscaling',
  rbac: 'what members may do inside',
};

/** componentsOf returns the parts of a cluster, those that wait first. */
export function componentsOf(cluster: Cluster): Component[] {
  return (cluster.status?.components ?? [])
    .map((component) => ({ ...component, ready: component.ready ?? false, what: whats[component.name] ?? '' }))
    .sort((a, b) => Number(a.ready) - Number(b.ready) || a.name.localeCompare(b.name));
}

/** currentOperation returns the last change that is still under way for a cluster. */
export function currentOperation(operations: Schema<'Operation'>[] | undefined, name: string): Schema<'Operation'> | undefined {
  return operations?.find((op) => op.state === 'Running' && op.resource === 'clusters' && op.name === name);
}

/** groupEvents puts the newest first. */
export function newestFirst(events: Schema<'Event'>[]): Schema<'Event'>[] {
  return events.slice().sort((a, b) => b.lastTime.localeCompare(a.lastTime));
}
