// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// What a made-up platform has. Everything is computed from numbers, so that it is the same each time.
import type { components } from '../../src/api.gen';

type Schemas = components['schemas'];
type Condition = NonNullable<NonNullable<Schemas['Cluster']['status']>['conditions']>[number];

export interface Data {
  self: Schemas['Self'];
  clusters: Schemas['Cluster'][];
  nodepools: Schemas['NodePool'][];
  projects: Schemas['Project'][];
  seeds: Schemas['Seed'][];
  datacenters: Schemas['Datacenter'][];
  presets: Schemas['Preset'][];
  releases: Schemas['Release'][];
  users: Schemas['User'][];
  sshkeys: Schemas['SSHKey'][];
  templates: Schemas['ClusterTemplate'][];
  clustersets: Schemas['ClusterSet'][];
  announcements: Schemas['Announcement'][];
  serviceaccounts: Schemas['ServiceAccount'][];
  tokens: Record<string, Schemas['Token'][]>;
  audit: Schemas['AuditRecord'][];
  operations: Schemas['Operation'][];
  events: Record<string, Schemas['Event'][]>;
}

export const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');

let serial = 1000;
export function meta(name: string, namespace?: string, age = 86_400 * 12) {
  serial++;
  return {
    name,
    ...(namespace ? { namespace } : {}),
    uid: `uid-${serial}`,
    resourceVersion: String(serial),
    generation: 1,
    creationTimestamp: ago(age),
  };
}

export function condition(type: string, status: Condition['status'], reason: string, message: string, age = 3600): Condition {
  return { type, status, reason, message, lastTransitionTime: ago(age), observedGeneration: 1 };
}

const ready = (message = '') => condition('Ready', 'True', 'Ready', message, 86_400);
const components_ = [
  'apiserver',
  'controller-manager',
  'coredns',
  'etcd',
  'flannel',
  'kube-proxy',
  'metrics-server',
  'openvpn',
  'prometheus',
  'scheduler',
];

/** health is the state that a made-up cluster is in. */
export type Health = 'ready' | 'creating' | 'nodes' | 'quota' | 'unknown' | 'deleting' | 'upgrading';

export function cluster(
  project: string,
  name: string,
  health: Health,
  options: Partial<Schemas['ClusterSpec']> & { seed?: string; age?: number } = {},
): Schemas['Cluster'] {
  const { seed = 'fra-1', age = 86_400 * 9, ...spec } = options;
  const version = spec.version ?? '1.37.2';
  const at: Record<Health, Condition> = {
    ready: ready('the control plane and all nodes are ready'),
    creating: condition('Ready', 'False', 'WaitingForControlPlane', 'etcd: waiting for its volume', 41),
    nodes: condition('Ready', 'False', 'WaitingForNodes', '1 of 3 nodes of workers is ready: workers-x7kq2 is installing kubelet', 140),
    quota: condition('Ready', 'False', 'QuotaExceeded', 'the project may have 6 nodes and this cluster wants 8', 5400),
    unknown: condition(
      'Ready',
      'Unknown',
      'SeedNotConnected',
      'the seed nyc-1 has not answered for 12 minutes; what is known of this cluster is from then',
      720,
    ),
    deleting: condition('Ready', 'False', 'Deleting', '2 machines are being drained', 95),
    upgrading: condition('Ready', 'False', 'RollingOut', 'kube-apiserver: 1.36.3 is being replaced by 1.37.2', 22),
  };
  const starting = health === 'creating';
  return {
    apiVersion: 'canopy.dev/v1alpha1',
    kind: 'Cluster',
    metadata: {
      ...meta(name, `project-${project}`, starting ? 41 : age),
      labels: { team: name.split('-')[0]! },
      ...(health === 'deleting' ? { deletionTimestamp: ago(95), finalizers: ['canopy.dev/cluster'] } : {}),
    },
    spec: {
      datacenter: 'frankfurt',
      profile: 'Compact',
      network: { tunnel: 'OpenVPN', podCIDR: '172.25.0.0/16', serviceCIDR: '10.240.16.0/20' },
      ...spec,
      version,
    },
    status: {
      id: `k${(serial * 7919).toString(36)}x9v2m`.slice(0, 10),
      seed,
      observedGeneration: 1,
      ...(starting ? {} : { endpoint: `https://${name}.${seed}.clusters.example.com:443`, certificateAuthority: 'PEM' }),
      version: health === 'upgrading' ? '1.36.3' : version,
      targetVersion: version,
      availableUpgrades: version === '1.36.3' ? ['1.36.5', '1.37.2'] : version === '1.35.4' ? ['1.36.3', '1.36.5'] : [],
      readyNodes: starting ? 0 : health === 'nodes' ? 1 : 3,
      lastContact: ago(health === 'unknown' ? 720 : 6),
      nodePools: [
        {
          name: `${name}-workers`,
          replicas: 3,
          readyReplicas: starting ? 0 : health === 'nodes' ? 1 : 3,
          upToDateReplicas: 3,
          version,
          ...(health === 'nodes' ? { message: 'workers-x7kq2 is installing kubelet' } : {}),
        },
      ],
      components: components_.map((component) => {
        const waits = starting && ['etcd', 'apiserver', 'coredns', 'openvpn'].includes(component);
        return {
          name: component,
          ready: !waits,
          reason: waits ? 'Starting' : 'Running',
          ...(waits ? { message: component === 'etcd' ? 'waiting for its volume' : 'waits for etcd' } : {}),
        };
      }),
      conditions: [
        at[health],
        condition(
          'ControlPlaneReady',
          starting || health === 'upgrading' ? 'False' : health === 'unknown' ? 'Unknown' : 'True',
          starting ? 'Starting' : 'Running',
          starting ? 'etcd: waiting for its volume' : 'all components run',
          400,
        ),
        condition(
          'UpgradeAvailable',
          version === '1.37.2' ? 'False' : 'True',
          version === '1.35.4' ? 'EndOfLife' : version === '1.37.2' ? 'UpToDate' : 'MinorAvailable',
          version === '1.37.2'
            ? '1.37.2 is the newest version'
            : version === '1.35.4'
              ? '1.35 gets no fixes any more since 2026-10-28'
              : '1.37.2 is available',
          86_400,
        ),
      ],
    },
  };
}

export function pool(of: Schemas['Cluster'], name: string, replicas: number, readyReplicas = replicas): Schemas['NodePool'] {
  return {
    apiVersion: 'canopy.dev/v1alpha1',
    kind: 'NodePool',
    metadata: meta(name, of.metadata?.namespace),
    spec: {
      cluster: of.metadata!.name!,
      replicas,
      provider: { local: { resources: { requests: { cpu: '2', memory: '4Gi' }, limits: { cpu: '2', memory: '4Gi' } } } },
      labels: { pool: name },
    },
    status: {
      replicas,
      readyReplicas,
      upToDateReplicas: replicas,
      version: of.spec.version,
      observedGeneration: 1,
      conditions: [
        readyReplicas === replicas
          ? ready('all nodes are ready')
          : condition('Ready', 'False', 'WaitingForNodes', `${readyReplicas} of ${replicas} nodes are ready`, 140),
      ],
    },
  };
}

function project(
  name: string,
  displayName: string,
  members: NonNullable<Schemas['Project']['spec']>['members'],
  clusters: number,
): Schemas['Project'] {
  return {
    apiVersion: 'canopy.dev/v1alpha1',
    kind: 'Project',
    metadata: meta(name, undefined, 86_400 * 90),
    spec: { displayName, members, quota: { clusters: 20, nodes: 60, cpu: '160', memory: '512Gi' } },
    status: {
      clusters,
      namespace: `project-${name}`,
      conditions: [ready('')],
      quota: {
        hard: { clusters: 20, nodes: 60, cpu: '160', memory: '512Gi' },
        used: { clusters, nodes: clusters * 3, cpu: String(clusters * 6), memory: `${clusters * 12}Gi` },
      },
    },
  };
}

function seed(name: string, country: string, location: string, share: number, clusters: number, up = true): Schemas['Seed'] {
  return {
    apiVersion: 'canopy.dev/v1alpha1',
    kind: 'Seed',
    metadata: meta(name, undefined, 86_400 * 200),
    spec: { country, location, defaults: { exposeStrategy: 'Gateway' }, maxAutomaticUpgrades: 3 },
    status: {
      clusters,
      kubernetesVersion: 'v1.37.2',
      installedVersion: '0.3.0',
      lastContact: ago(up ? 4 : 720),
      capacity: {
        nodes: 6,
        time: ago(20),
        cpu: { allocatable: '96', requested: String(Math.round(96 * share)) },
        memory: { allocatable: '384Gi', requested: `${Math.round(384 * share * 0.8)}Gi` },
        pods: { allocatable: '660', requested: String(Math.round(660 * share * 0.7)) },
      },
      conditions: up
        ? [
            ready('connected, and everything is installed'),
            condition('Connected', 'True', 'Connected', 'its API answers', 86_400),
            condition('Installed', 'True', 'Installed', 'version 0.3.0 is installed', 86_400),
          ]
        : [
            condition('Ready', 'False', 'Unreachable', 'its API does not answer: dial tcp 203.0.113.7:6443: i/o timeout', 720),
            condition('Connected', 'False', 'Unreachable', 'dial tcp 203.0.113.7:6443: i/o timeout', 720),
            condition('Installed', 'Unknown', 'Unreachable', 'it was installed when the seed was last seen', 720),
          ],
    },
  };
}

function datacenter(
  name: string,
  seedName: string,
  country: string,
  location: string,
  provider: Schemas['DatacenterSpec']['provider'],
): Schemas['Datacenter'] {
  return {
    apiVersion: 'canopy.dev/v1alpha1',
    kind: 'Datacenter',
    metadata: meta(name, undefined, 86_400 * 200),
    spec: {
      seed: seedName,
      country,
      location,
      provider,
      node: { sizes: { cpu: { min: '500m', max: '16' }, memory: { min: '1Gi', max: '64Gi' } } },
    },
  };
}

function release(version: string, spec: Schemas['ReleaseSpec']): Schemas['Release'] {
  return { apiVersion: 'canopy.dev/v1alpha1', kind: 'Release', metadata: meta(version, undefined, 86_400 * 60), spec };
}

const names = ['shop', 'billing', 'search', 'media', 'ledger', 'geo', 'mail', 'risk', 'feeds', 'auth'];
const places = ['prod', 'staging', 'dev', 'canary', 'load'];

/** makeData returns a platform with about as many clusters as wanted. */
export function makeData(size = 48): Data {
  serial = 1000;
  const clusters: Schemas['Cluster'][] = [
    cluster('shop', 'shop-prod', 'ready', { version: '1.36.3', age: 86_400 * 61 }),
    cluster('shop', 'shop-staging', 'nodes'),
    cluster('shop', 'shop-new', 'creating'),
    cluster('shop', 'shop-canary', 'upgrading'),
    cluster('shop', 'legacy-orders', 'ready', { version: '1.35.4', age: 86_400 * 400 }),
    cluster('shop', 'old-search', 'deleting'),
    cluster('shop', 'warehouse', 'unknown', { seed: 'nyc-1', datacenter: 'new-york' }),
    cluster('payments', 'ledger-prod', 'ready', { version: '1.36.3', seed: 'ams-1', datacenter: 'amsterdam' }),
    cluster('payments', 'ledger-load', 'quota', { seed: 'ams-1', datacenter: 'amsterdam' }),
  ];
  for (let i = 0; clusters.length < size; i++) {
    const name = `${names[i % names.length]}-${places[Math.floor(i / names.length) % places.length]}${i >= 50 ? `-${Math.floor(i / 50) + 1}` : ''}`;
    const of = ['shop', 'payments', 'data'][i % 3]!;
    if (!clusters.some((c) => c.metadata?.name === name && c.metadata.namespace === `project-${of}`)) {
      clusters.push(
        cluster(of, name, 'ready', {
          version: i % 4 ? '1.37.2' : '1.36.3',
          seed: i % 2 ? 'fra-1' : 'ams-1',
          datacenter: i % 2 ? 'frankfurt' : 'amsterdam',
          age: 86_400 * (1 + i),
        }),
      );
    }
  }
  const inProject = (name: string) => clusters.filter((c) => c.metadata?.namespace === `project-${name}`).length;
  const projects = [
    project(
      'shop',
      'Shop',
      [
        { kind: 'User', name: 'ada@example.com', role: 'Owner' },
        { kind: 'User', name: 'grace@example.com', role: 'Editor' },
        { kind: 'User', name: 'linus@example.com', role: 'Viewer' },
        { kind: 'Group', name: 'storefront-developers', role: 'Editor' },
        { kind: 'ServiceAccount', namespace: 'project-shop', name: 'deploy', role: 'Editor' },
      ],
      Math.min(inProject('shop'), 18),
    ),
    project('payments', 'Payments', [{ kind: 'User', name: 'ada@example.com', role: 'Viewer' }], Math.min(inProject('payments'), 14)),
    project('data', 'Data platform', [{ kind: 'Group', name: 'data', role: 'Owner' }], Math.min(inProject('data'), 12)),
  ];
  const keys: Schemas['SSHKey'][] = [
    {
      apiVersion: 'canopy.dev/v1alpha1',
      kind: 'SSHKey',
      metadata: meta('ada', 'project-shop'),
      spec: { publicKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKvXy7Qh1kq0u3Fq0Tn0Z3K0J6mQmQb7V6ZkGmE9x2Wd ada@laptop' },
      status: { fingerprint: 'SHA256:7pD0Yk3vWqFZ1k9H2m8YxU4nS0r2tB6cQeJ5aLhV1oM', conditions: [ready()] },
    },
  ];
  const events: Data['events'] = {};
  for (const c of clusters.slice(0, 9)) {
    events[`${c.metadata!.namespace}/${c.metadata!.name}`] = [
      {
        kind: 'Cluster',
        name: c.metadata!.name!,
        type: 'Normal',
        reason: 'Placed',
        message: `the seed ${c.status?.seed} was chosen`,
        count: 1,
        firstTime: ago(4000),
        lastTime: ago(4000),
      },
      {
        kind: 'NodePool',
        name: `${c.metadata!.name}-workers`,
        type: 'Warning',
        reason: 'MachineFailed',
        message: 'workers-b2nd8 did not become a node within 10 minutes and was replaced',
        count: 3,
        firstTime: ago(3900),
        lastTime: ago(900),
      },
      {
        kind: 'Cluster',
        name: c.metadata!.name!,
        type: 'Normal',
        reason: 'Ready',
        message: 'the API answers at its address',
        count: 1,
        firstTime: ago(3600),
        lastTime: ago(3600),
      },
    ];
  }
  return {
    self: {
      name: 'ada@example.com',
      groups: ['developers'],
      admin: true,
      globalViewer: true,
      projects: [
        { name: 'data', displayName: 'Data platform', roles: [] },
        { name: 'payments', displayName: 'Payments', roles: ['Viewer'] },
        { name: 'shop', displayName: 'Shop', roles: ['Owner'] },
      ],
    },
    clusters,
    nodepools: clusters.flatMap((c, i) => [pool(c, `${c.metadata!.name}-workers`, 3, i === 1 ? 1 : i === 2 ? 0 : 3)]),
    projects,
    seeds: [
      seed('ams-1', 'NL', 'Amsterdam', 0.42, 18),
      seed('fra-1', 'DE', 'Frankfurt', 0.71, 22),
      seed('nyc-1', 'US', 'New York', 0.88, 8, false),
      seed('sgp-1', 'SG', 'Singapore', 0.05, 0),
    ],
    datacenters: [
      datacenter('amsterdam', 'ams-1', 'NL', 'Amsterdam', { local: {} }),
      datacenter('frankfurt', 'fra-1', 'DE', 'Frankfurt', { local: {} }),
      datacenter('frankfurt-aws', 'fra-1', 'DE', 'Frankfurt', { aws: { region: 'eu-central-1' } }),
      datacenter('new-york', 'nyc-1', 'US', 'New York', { local: {} }),
      datacenter('singapore-hetzner', 'sgp-1', 'SG', 'Singapore', { hetzner: { location: 'sin' } }),
    ],
    presets: [
      {
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'Preset',
        metadata: meta('aws-central'),
        spec: { provider: 'aws', secretName: 'preset-aws-central', projects: ['shop'] },
      },
      {
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'Preset',
        metadata: meta('hetzner'),
        spec: { provider: 'hetzner', secretName: 'preset-hetzner' },
      },
    ],
    releases: [
      release('1.35.4', { endOfLife: '2026-10-28' }),
      release('1.36.3', { endOfLife: '2027-06-28', upgradesFrom: ['1.35'] }),
      release('1.36.5', { endOfLife: '2027-06-28' }),
      release('1.37.1', { blocked: 'etcd loses a watch after a restart; use 1.37.2', endOfLife: '2027-10-28' }),
      release('1.37.2', { default: true, endOfLife: '2027-10-28' }),
    ],
    users: [
      {
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'User',
        metadata: meta('ada'),
        spec: { email: 'ada@example.com', admin: true },
        status: {
          projects: [
            { name: 'shop', role: 'Owner' },
            { name: 'payments', role: 'Viewer' },
          ],
          conditions: [ready()],
        },
      },
      {
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'User',
        metadata: meta('grace'),
        spec: { email: 'grace@example.com' },
        status: { projects: [{ name: 'shop', role: 'Editor' }], conditions: [ready()] },
      },
      {
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'User',
        metadata: meta('audit'),
        spec: { email: 'audit@example.com', globalViewer: true },
        status: { conditions: [ready()] },
      },
    ],
    sshkeys: keys,
    templates: [
      {
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'ClusterTemplate',
        metadata: meta('standard', 'project-shop'),
        spec: {
          description: 'Three nodes with two cores each, patches on Sunday nights',
          cluster: {
            datacenter: 'frankfurt',
            version: '1.37.2',
            maintenance: { autoUpgrade: 'Patch', window: { days: ['Sunday'], start: '02:00', length: '4h', timeZone: 'UTC' } },
          },
          nodePools: [{ name: 'workers', replicas: 3, provider: { local: { resources: { requests: { cpu: '2', memory: '4Gi' } } } } }],
        },
      },
    ],
    clustersets: [
      {
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'ClusterSet',
        metadata: meta('shops', 'project-shop'),
        spec: {
          template: { name: 'standard', scope: 'Project' },
          clusters: [
            { name: 'shop-prod' },
            { name: 'shop-staging', nodePools: [{ name: 'workers', replicas: 5 }] },
            { name: 'legacy-orders' },
          ],
          rollout: { revision: '5f1c', maxUnavailable: 1, minReadySeconds: 30 },
        },
        status: {
          observedGeneration: 1,
          revision: '9a42',
          total: 3,
          upToDate: 1,
          lastChange: ago(86_400 * 2),
          clusters: [
            { name: 'shop-prod', state: 'Behind', changes: [{ field: 'spec.version', from: '"1.36.3"', to: '"1.37.2"' }] },
            { name: 'shop-staging', state: 'UpToDate' },
            {
              name: 'legacy-orders',
              state: 'ChangedByHand',
              changes: [{ field: 'spec.coreDNS.replicas', from: '3', to: '2', changedBy: 'kubectl-edit' }],
            },
          ],
          conditions: [condition('Ready', 'False', 'WaitingForApproval', '2 clusters differ from the template of revision 9a42', 700)],
        },
      },
    ],
    announcements: [
      {
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'Announcement',
        metadata: meta('new-york'),
        spec: {
          severity: 'Warning',
          message: 'The seed in New York gets new disks on Sunday. Clusters go on; changes of them wait for about an hour.',
          until: new Date(Date.now() + 86_400_000).toISOString().replace(/\.\d+Z$/, 'Z'),
        },
      },
      {
        apiVersion: 'canopy.dev/v1alpha1',
        kind: 'Announcement',
        metadata: meta('old-versions'),
        spec: { message: '1.35 gets no fixes any more.', until: ago(86_400 * 3) },
      },
    ],
    serviceaccounts: [{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta('deploy', 'project-shop') }],
    tokens: {
      'shop/deploy': [
        {
          id: 'token-4k2vd',
          created: ago(86_400 * 3),
          createdBy: 'ada@example.com',
          description: 'pipeline',
          expires: new Date(Date.now() + 9 * 3600_000).toISOString(),
          lastUsed: ago(320),
        },
      ],
    },
    audit: [
      ['ada@example.com', 'patch', 'nodepools', 'shop-staging-workers', 600, ['spec.replicas'], 200],
      ['grace@example.com', 'create', 'clusters', 'shop-new', 41, [], 201],
      ['linus@example.com', 'delete', 'clusters', 'shop-prod', 7000, [], 403],
      ['ada@example.com', 'patch', 'clusters', 'shop-canary', 22, ['spec.version'], 200],
    ].map(([user, verb, resource, name, age, fields, status], i) => ({
      apiVersion: 'canopy.dev/v1alpha1',
      kind: 'AuditRecord',
      metadata: meta(`record-${i}`, 'project-shop', age as number),
      spec: {
        user,
        verb,
        resource,
        name,
        project: 'shop',
        time: ago(age as number),
        requestId: `REQ${i}`,
        fields,
        source: '192.0.2.17',
        userAgent: 'Mozilla/5.0',
      },
      result: { status, ...(status === 403 ? { code: 'ERR_FORBIDDEN', detail: 'linus@example.com may not delete clusters in shop' } : {}) },
    })) as Schemas['AuditRecord'][],
    operations: [
      {
        id: 'op-create-new',
        type: 'Create',
        resource: 'clusters',
        name: 'shop-new',
        project: 'shop',
        user: 'grace@example.com',
        startTime: ago(41),
        state: 'Running',
        progress: 40,
        elapsedSeconds: 41,
        typicalSeconds: 60,
        message: 'WaitingForControlPlane: etcd: waiting for its volume',
        steps: [
          { name: 'placement', state: 'Succeeded' },
          { name: 'etcd', state: 'Running', message: 'waiting for its volume' },
          { name: 'apiserver', state: 'Running', message: 'waits for etcd' },
          { name: 'scheduler', state: 'Succeeded' },
          { name: 'endpoint', state: 'Running', message: 'there is no address yet' },
          { name: 'nodepool shop-new-workers', state: 'Running', message: 'waits for the API' },
          { name: 'ready', state: 'Running' },
        ],
      },
    ],
    events,
  };
}
