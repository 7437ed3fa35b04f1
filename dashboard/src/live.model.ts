// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

/** What a change in the stream means for what the page has read. */
export interface Change {
  verb: 'added' | 'modified' | 'deleted';
  kind: string;
  project?: string;
  object: Meta;
}

interface Meta {
  metadata?: { name?: string; namespace?: string; uid?: string; resourceVersion?: string };
  spec?: unknown;
}

const plurals: Record<string, string> = { ClusterTemplate: 'templates', SSHKey: 'sshkeys' };

/** plural returns the name that paths have for a kind. */
export function plural(kind: string): string {
  return plurals[kind] ?? `${kind.toLowerCase()}s`;
}

/** kindOf returns which kind a path of the API is about: the last word that is no parameter. */
export function kindOf(path: string): string {
  const words = path.split('/').filter((word) => word && !word.startsWith('{'));
  return words.at(-1) ?? '';
}

/** places says where a changed object is shown, and what else is read again because it follows from it. */
export function places(change: Change): { kind: string; isAt: (path: Record<string, string>) => boolean; concerns: string[] } {
  const meta = change.object.metadata ?? {};
  return {
    kind: plural(change.kind),
    isAt: (path) => path.name === meta.name && (path.project === undefined || path.project === change.project),
    concerns: derived[change.kind] ?? [],
  };
}

/** derived names what the API computes from objects of a kind, or reads elsewhere when they change. */
const derived: Record<string, string[]> = {
  Cluster: ['machines', 'nodes', 'upgrades', 'events', 'operations', 'quota', 'audit'],
  NodePool: ['machines', 'nodes', 'events', 'operations', 'quota', 'audit'],
  Project: ['members', 'quota', 'me', 'audit'],
  Release: ['upgrades'],
};

/** patchList returns a list with the changed object in its place; undefined: it is not in there. */
export function patchList(data: unknown, change: Change): unknown {
  const list = data as { items?: Meta[] } | undefined;
  if (!list?.items) return undefined;
  const meta = change.object.metadata ?? {};
  const index = list.items.findIndex((item) => item.metadata?.name === meta.name && item.metadata?.namespace === meta.namespace);
  if (index < 0 || change.verb === 'added') return undefined;
  if (change.verb === 'deleted') return { ...list, items: list.items.filter((_, i) => i !== index) };
  const items = list.items.slice();
  items[index] = change.object;
  return { ...list, items };
}
