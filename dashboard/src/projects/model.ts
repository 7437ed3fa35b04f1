// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Cluster, Schema } from '../api';
import { stateOf, upgradeOf } from '../clusters/model';
import { projectOf } from '../project';
import { failing, find } from '../ui/conditions.model';
import type { Tone } from '../ui/Status';

export interface Concern {
  key: string;
  tone: Tone;
  title: string;
  text: string;
  to: string;
  since?: string;
}

const weight: Record<Tone, number> = { bad: 0, warn: 1, busy: 2, off: 3, good: 4 };

/** concerns are what somebody should look at, the worst first. What goes on as expected is none. */
export function concerns(clusters: Cluster[], seeds: Schema<'Seed'>[]): Concern[] {
  const found: Concern[] = [];
  for (const seed of seeds) {
    const ready = find(seed.status?.conditions, 'Ready');
    if (ready && ready.status !== 'True') {
      found.push({
        key: `seed/${seed.metadata?.name}`,
        tone: 'bad',
        title: `Seed ${seed.metadata?.name}`,
        text: ready.message,
        to: '/admin/seeds',
        since: ready.lastTransitionTime,
      });
    }
  }
  for (const cluster of clusters) {
    const state = stateOf(cluster);
    const place = `${projectOf(cluster)}/${cluster.metadata?.name}`;
    const to = `/projects/${projectOf(cluster)}/clusters/${cluster.metadata?.name}`;
    if (state.tone === 'bad' || state.tone === 'warn')
      found.push({ key: place, tone: state.tone, title: place, text: state.sentence, to, since: state.since });
    else if (upgradeOf(cluster).endOfLife)
      found.push({
        key: `${place}/eol`,
        tone: 'warn',
        title: place,
        text: upgradeOf(cluster).why ?? 'Its version gets no fixes any more.',
        to,
      });
  }
  return found.sort((a, b) => weight[a.tone] - weight[b.tone] || a.title.localeCompare(b.title));
}

export interface Step {
  title: string;
  text: string;
  to: string;
  done: boolean;
}

/** firstSteps is what a new project needs to be of use. */
export function firstSteps(project: string, has: { members: number; keys: number; clusters: Cluster[] }): Step[] {
  const base = `/projects/${project}`;
  return [
    { title: 'Invite somebody', text: 'by an e-mail address, or a group of your issuer', to: `${base}/members`, done: has.members > 1 },
    { title: 'Add an SSH key', text: 'to log in to machines; not needed for kubectl', to: `${base}/sshkeys`, done: has.keys > 0 },
    { title: 'Create a cluster', text: 'it answers within seconds', to: `${base}/clusters/new`, done: has.clusters.length > 0 },
    {
      title: 'Connect with kubectl',
      text: 'the kubeconfig has no secret in it',
      to: `${base}/clusters`,
      done: has.clusters.some((cluster) => !failing(find(cluster.status?.conditions, 'Ready')) && (cluster.status?.readyNodes ?? 0) > 0),
    },
  ];
}

/** tally counts clusters by how they are. */
export function tally(clusters: Cluster[]): { tone: Tone; label: string; count: number }[] {
  const labels: Record<Tone, string> = { good: 'Ready', busy: 'In progress', warn: 'Degraded', bad: 'Blocked', off: 'Paused' };
  return (['good', 'busy', 'warn', 'bad', 'off'] as Tone[])
    .map((tone) => ({ tone, label: labels[tone], count: clusters.filter((cluster) => stateOf(cluster).tone === tone).length }))
    .filter((entry) => entry.count > 0);
}

/** actOf says in words what a record of the audit is about. */
export function actOf(record: Schema<'AuditRecord'>): string {
  const verbs: Record<string, string> = { create: 'created', update: 'replaced', patch: 'changed', delete: 'deleted' };
  const { verb, resource, name, fields } = record.spec;
  const what = `${verbs[verb] ?? verb} ${resource.replace(/s$/, '')} ${name ?? record.result?.name ?? ''}`.trim();
  return fields?.length ? `${what}: ${fields.join(', ')}` : what;
}
