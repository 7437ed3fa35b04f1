// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import schemas from 'virtual:schemas';
import { parseAllDocuments, stringify } from 'yaml';
import type { Cluster, NodePool, Schema } from '../../api';
import { quantity } from '../../format';
import { localSize, type Machine, machineAt, needsPreset, providerIn } from '../pool.model';

export interface PoolDraft {
  name: string;
  replicas: number;
  machine: Machine;
  /** other is what the form does not show: it was written as YAML, and stays. */
  other?: Partial<NodePool['spec']>;
}

/** Draft is a cluster that is being thought of. spec may have more than the form shows. */
export interface Draft {
  name: string;
  spec: Cluster['spec'];
  pools: PoolDraft[];
}

export const steps = ['Datacenter', 'Cluster', 'Nodes', 'Review'] as const;

export function emptyDraft(): Draft {
  return { name: '', spec: { datacenter: '', version: '' }, pools: [emptyPool('')] };
}

export function emptyPool(provider: string): PoolDraft {
  return { name: '', replicas: 1, machine: machineAt(provider) };
}

/** placed puts a draft into a datacenter: machines of another provider, and credentials for it, are of no use there. */
export function placed(draft: Draft, datacenter: string, provider: string): Draft {
  const fits = (pool: PoolDraft) => providerIn(pool.machine)[0] === provider;
  return {
    ...draft,
    spec: { ...draft.spec, datacenter, ...(datacenter === draft.spec.datacenter ? {} : { preset: undefined, cloudNetwork: undefined }) },
    pools: draft.pools.map((pool) => (fits(pool) ? pool : { ...pool, machine: machineAt(provider) })),
  };
}

/** poolName is what the first pool is called as long as nobody says otherwise. */
export function poolName(draft: Draft, index: number): string {
  return draft.pools[index]?.name || (draft.name ? `${draft.name}-workers${index ? `-${index + 1}` : ''}` : '');
}

export function clusterBody(draft: Draft) {
  return { metadata: { name: draft.name }, spec: draft.spec };
}

export function poolBody(cluster: string, pool: PoolDraft) {
  return { metadata: { name: pool.name }, spec: { cluster, replicas: pool.replicas, provider: pool.machine, ...pool.other } };
}

/** named fills in the names of pools that nobody has named. */
export function named(draft: Draft): Draft {
  return { ...draft, pools: draft.pools.map((pool, i) => ({ ...pool, name: poolName(draft, i) })) };
}

const namePattern = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** missing says what a step still needs, by field. provider is the datacenter's, where it is known. The server has the last word. */
export function missing(draft: Draft, step: number, provider = ''): Record<string, string> {
  const errors: Record<string, string> = {};
  if (step === 0 && !draft.spec.datacenter) errors['spec.datacenter'] = 'Choose where the machines are.';
  if (step === 1) {
    if (!draft.name) errors['metadata.name'] = 'A cluster needs a name.';
    else if (!namePattern.test(draft.name) || draft.name.length > 40) {
      errors['metadata.name'] = 'At most 40 lower-case letters, digits and dashes, beginning with a letter.';
    }
    if (!draft.spec.version) errors['spec.version'] = 'Choose a version.';
    if (needsPreset(provider) && !draft.spec.preset) errors['spec.preset'] = 'This provider needs credentials.';
  }
  if (step === 2) {
    draft.pools.forEach((pool, i) => {
      if (pool.name && !namePattern.test(pool.name))
        errors[`pools.${i}.metadata.name`] = 'Lower-case letters, digits and dashes, beginning with a letter.';
      if (draft.pools.some((other, j) => j < i && poolName(draft, j) === poolName(draft, i) && other))
        errors[`pools.${i}.metadata.name`] = 'Two pools cannot have the same name.';
      Object.assign(errors, machineErrors(pool.machine, `pools.${i}.spec.provider`));
    });
  }
  return errors;
}

/** machineErrors says what the block of a provider still needs. */
function machineErrors(machine: Machine, at: string): Record<string, string> {
  const [provider, settings] = providerIn(machine);
  if (provider === 'local') {
    const size = localSize(machine);
    return {
      ...(size.cpu && Number.isNaN(quantity(size.cpu)) ? { [`${at}.local.cpu`]: 'A number, as 2 or 500m.' } : {}),
      ...(size.memory && Number.isNaN(quantity(size.memory)) ? { [`${at}.local.memory`]: 'A size, as 4Gi.' } : {}),
    };
  }
  const required = schemas.NodePoolSpec?.properties?.provider?.properties?.[provider]?.required ?? [];
  return Object.fromEntries(required.filter((key) => !settings[key]).map((key) => [`${at}.${provider}.${key}`, 'This is needed.']));
}

/** toYAML writes a draft as the documents that `canopy apply` takes. */
export function toYAML(project: string, draft: Draft): string {
  const whole = named(draft);
  const documents: object[] = [
    {
      apiVersion: 'canopy.dev/v1alpha1',
      kind: 'Cluster',
      metadata: { name: whole.name, namespace: `project-${project}` },
      spec: whole.spec,
    },
    ...whole.pools.map((pool) => {
      const body = poolBody(whole.name, pool);
      return {
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'NodePool',
        metadata: { ...body.metadata, namespace: `project-${project}` },
        spec: body.spec,
      };
    }),
  ];
  return documents.map((document) => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n');
}

/** fromYAML reads documents back into a draft. The error says what is wrong with the text. */
export function fromYAML(text: string): Draft | { error: string } {
  let cluster: Cluster | undefined;
  const pools: PoolDraft[] = [];
  for (const document of parseAllDocuments(text)) {
    if ('errors' in document && document.errors[0]) return { error: document.errors[0].message };
    const object = (document as { toJS(): unknown }).toJS() as { kind?: string; metadata?: { name?: string }; spec?: unknown } | null;
    if (object === null) continue;
    if (typeof object !== 'object') return { error: 'This is no object: begin with "kind: Cluster".' };
    if (object.kind === 'Cluster') {
      if (cluster) return { error: 'There are two Clusters; one is created at a time.' };
      if (!object.spec) return { error: 'The Cluster has no spec.' };
      cluster = object as Cluster;
    } else if (object.kind === 'NodePool') {
      if (!object.spec) return { error: `The NodePool ${object.metadata?.name ?? ''} has no spec.` };
      pools.push(poolDraft(object as NodePool));
    } else return { error: `A ${object.kind ?? 'document without kind'} does not belong here: only one Cluster and its NodePools.` };
  }
  if (!cluster) return { error: 'There is no Cluster in it.' };
  return { name: cluster.metadata?.name ?? '', spec: cluster.spec, pools };
}

/** poolDraft takes from a pool what the form shows, and keeps the rest. */
export function poolDraft(pool: Pick<NodePool, 'spec'> & { metadata?: { name?: string } }): PoolDraft {
  const { cluster: _, replicas, provider, ...rest } = pool.spec;
  return {
    name: pool.metadata?.name ?? '',
    replicas: replicas ?? 1,
    machine: provider ?? {},
    ...(Object.keys(rest).length ? { other: rest } : {}),
  };
}

/** fromTemplate is the draft that a template stands for. */
export function fromTemplate(template: Schema<'ClusterTemplate'>, draft: Draft): Draft {
  return {
    name: draft.name,
    spec: structuredClone(template.spec.cluster) as Cluster['spec'],
    pools: (template.spec.nodePools ?? []).map(({ name, ...spec }) => ({
      ...poolDraft({ metadata: { name }, spec: { cluster: '', ...spec } as NodePool['spec'] }),
      name: '',
    })),
  };
}

/** plainFields are the fields of a spec that the command has flags for. */
const plainFields = new Set(['datacenter', 'version', 'preset', 'sshKeys', 'profile']);

/** command is the same with the command canopy: flags where there are some for everything, documents otherwise. */
export function command(project: string, draft: Draft): string {
  const whole = named(draft);
  const plain =
    Object.entries(whole.spec).every(([field, value]) => value === undefined || plainFields.has(field)) &&
    whole.pools.every((pool) => !pool.other);
  const [first, ...more] = whole.pools;
  if (!plain || (first && first.name !== `${whole.name}-workers`)) return 'canopy apply -f cluster.yaml';
  const machine = (pool: PoolDraft) => quote(JSON.stringify(poolBody('', pool).spec.provider));
  const flags = [
    `--project ${project}`,
    `--datacenter ${whole.spec.datacenter}`,
    `--version ${whole.spec.version}`,
    ...(whole.spec.preset ? [`--preset ${whole.spec.preset}`] : []),
    ...(whole.spec.sshKeys ?? []).map((key) => `--ssh-key ${key}`),
    ...(whole.spec.profile ? [`--profile ${whole.spec.profile}`] : []),
    first ? `--nodes ${first.replicas} --machine ${machine(first)}` : '--nodes 0',
  ];
  const lines = [`canopy create cluster ${whole.name} \\\n  ${flags.join(' \\\n  ')}`];
  for (const pool of more)
    lines.push(
      `canopy create nodepool ${pool.name} --cluster ${whole.name} --project ${project} --replicas ${pool.replicas} \\\n  --machine ${machine(pool)}`,
    );
  return lines.join('\n');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** choosable are the versions that a new cluster may have, the newest first. */
export function choosable(
  releases: Schema<'Release'>[],
  now: number,
): { version: string; default: boolean; endOfLife?: string; over: boolean }[] {
  return releases
    .filter((release) => !release.spec?.blocked)
    .map((release) => ({
      version: release.metadata?.name ?? '',
      default: release.spec?.default ?? false,
      endOfLife: release.spec?.endOfLife,
      over: !!release.spec?.endOfLife && Date.parse(release.spec.endOfLife) < now,
    }))
    .sort((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }));
}
