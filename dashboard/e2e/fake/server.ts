// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// A platform that exists only in memory: it answers as the API does, with the same headers and the same kinds of problems. Tests and
// `npm run dev` use it.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { ago, condition, type Data, makeData, meta, pool } from './data';

type Body = Record<string, unknown>;
// biome-ignore lint/suspicious/noExplicitAny: objects of all kinds
type Any = any;

interface Kind {
  kind: string;
  list: keyof Data;
  project?: boolean;
}

const kinds: Record<string, Kind> = {
  clusters: { kind: 'Cluster', list: 'clusters', project: true },
  nodepools: { kind: 'NodePool', list: 'nodepools', project: true },
  projects: { kind: 'Project', list: 'projects' },
  seeds: { kind: 'Seed', list: 'seeds' },
  datacenters: { kind: 'Datacenter', list: 'datacenters' },
  presets: { kind: 'Preset', list: 'presets' },
  releases: { kind: 'Release', list: 'releases' },
  users: { kind: 'User', list: 'users' },
  sshkeys: { kind: 'SSHKey', list: 'sshkeys', project: true },
  templates: { kind: 'ClusterTemplate', list: 'templates', project: true },
  clustersets: { kind: 'ClusterSet', list: 'clustersets', project: true },
  announcements: { kind: 'Announcement', list: 'announcements' },
  serviceaccounts: { kind: 'ServiceAccount', list: 'serviceaccounts', project: true },
};

export class Fake {
  data: Data;
  signedIn = true;
  /** requests are those that have changed something. */
  requests: { method: string; path: string; body: Any }[] = [];
  /** offers are what clouds sell, by preset; one that is not here is refused by its cloud. */
  offers: Record<string, Any> = {
    'aws-central': {
      zones: [{ name: 'eu-central-1a' }, { name: 'eu-central-1b' }],
      sizes: [
        { name: 't3.medium', cpus: 2, memory: '4Gi', architecture: 'amd64', pricePerHour: '0.048', currency: 'USD' },
        { name: 't3.large', cpus: 2, memory: '8Gi', architecture: 'amd64', pricePerHour: '0.096', currency: 'USD' },
        { name: 'm7g.xlarge', cpus: 4, memory: '16Gi', architecture: 'arm64', pricePerHour: '0.195', currency: 'USD' },
      ],
      networks: [{ name: 'vpc-0a1b2c', description: 'shared' }],
      subnets: [{ name: 'subnet-1', description: 'eu-central-1a' }],
    },
  };
  private streams = new Set<ServerResponse>();
  private serial = 5000;
  private server?: Server;

  constructor(size?: number) {
    this.data = makeData(size);
  }

  /** listen serves a build of the dashboard and the API, and returns the address. */
  async listen(dist: string): Promise<string> {
    const csp = readFileSync(join(dist, '..', 'csp.txt'), 'utf8').trim();
    this.server = createServer((request, response) => {
      void this.handle(request, response).then((done) => {
        if (!done) this.file(dist, csp, request, response);
      });
    });
    await new Promise<void>((resolve) => this.server?.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close() {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  private file(dist: string, csp: string, request: IncomingMessage, response: ServerResponse) {
    const path = new URL(request.url ?? '/', 'http://x').pathname;
    const types: Record<string, string> = {
      '.js': 'text/javascript',
      '.css': 'text/css',
      '.svg': 'image/svg+xml',
      '.woff2': 'font/woff2',
      '.html': 'text/html',
    };
    const name = extname(path) ? path : '/index.html';
    try {
      const content = readFileSync(join(dist, name));
      response.writeHead(200, { 'Content-Type': types[extname(name)] ?? 'application/octet-stream', 'Content-Security-Policy': csp });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  }

  /** emit tells those who watch. */
  emit(verb: 'added' | 'modified' | 'deleted', kind: string, object: Any) {
    object.metadata.resourceVersion = String(++this.serial);
    const project = object.metadata.namespace?.replace('project-', '');
    const data = JSON.stringify({ kind, ...(project ? { project } : {}), object });
    for (const stream of this.streams) stream.write(`event: ${verb}\nid: ${this.serial}\ndata: ${data}\n\n`);
  }

  dropStreams() {
    for (const stream of this.streams) stream.destroy();
  }

  /** handle answers what is the API's, and reports whether it was. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const url = new URL(request.url ?? '/', 'http://x');
    const path = url.pathname;
    if (!path.startsWith('/api/') && !path.startsWith('/auth/')) return false;
    let text = '';
    for await (const chunk of request) text += chunk;
    const send = (status: number, body?: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, {
        'Content-Type': typeof body === 'string' ? 'application/yaml' : status >= 400 ? 'application/problem+json' : 'application/json',
        ...headers,
      });
      response.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
      return true;
    };
    const fail = (status: number, code: string, title: string, detail: string, errors?: unknown[]) =>
      send(status, {
        type: `/docs#${code}`,
        status,
        code,
        title,
        detail,
        owner: status >= 500 ? 'operator' : 'user',
        hint: status === 403 ? 'Ask an owner of the project for the role that may, or an administrator.' : undefined,
        retryable: status === 503,
        requestId: `REQ${++this.serial}`,
        errors,
      });
    if (path === '/auth/login') {
      this.signedIn = true;
      response.writeHead(302, { Location: url.searchParams.get('back') ?? '/' }).end();
      return true;
    }
    if (path === '/api/v1/login') return send(200, { issuers: [{ name: 'canopy', issuer: '/issuer', browser: true }] });
    if (path === '/api/v1/version') return send(200, { version: '0.3.0', api: 'v1alpha1' });
    if (!this.signedIn) return fail(401, 'ERR_UNAUTHENTICATED', 'It is not known who you are', 'nobody is logged in');
    if (path === '/auth/session')
      return send(200, { user: this.data.self.name, groups: this.data.self.groups, csrfToken: 'csrf', issuer: 'canopy' });
    if (path === '/auth/logout') {
      this.signedIn = false;
      return send(204);
    }
    if (path === '/api/v1/watch') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      const back = url.searchParams.has('lastEventId') || request.headers['last-event-id'];
      response.write(`retry: 200\n\nevent: ${back ? 'relist' : 'bookmark'}\nid: ${this.serial}\ndata: {}\n\n`);
      this.streams.add(response);
      response.on('close', () => this.streams.delete(response));
      return true;
    }
    const method = request.method ?? 'GET';
    if (method !== 'GET' && request.headers['x-csrf-token'] !== 'csrf')
      return fail(403, 'ERR_CSRF', 'The token is missing', 'X-CSRF-Token');
    const body = text ? (JSON.parse(text) as Any) : undefined;
    const dryRun = url.searchParams.get('dryRun') === 'true';
    if (method !== 'GET' && !dryRun) this.requests.push({ method, path, body });
    return this.api(method, path.split('/').slice(3), url.searchParams, body, dryRun, send, fail);
  }

  private api(
    method: string,
    words: string[],
    query: URLSearchParams,
    body: Any,
    dryRun: boolean,
    send: (s: number, b?: unknown, h?: Record<string, string>) => boolean,
    fail: (s: number, c: string, t: string, d: string, e?: unknown[]) => boolean,
  ): boolean {
    const d = this.data;
    const project = words[0] === 'projects' && words.length > 2 ? words[1]! : '';
    const rest = project ? words.slice(2) : words;
    const [noun = '', name, sub, subname] = rest;
    if (noun === 'me') return send(200, d.self);
    if (
      project &&
      method !== 'GET' &&
      !d.self.admin &&
      !d.self.projects.find((p) => p.name === project)?.roles.some((role) => role !== 'Viewer')
    ) {
      return fail(403, 'ERR_FORBIDDEN', 'You may not do this', `${d.self.name} may not change ${noun} in ${project}`);
    }
    const namespace = project ? `project-${project}` : undefined;
    if (noun === 'quota') return send(200, d.projects.find((p) => p.metadata?.name === project)?.status?.quota ?? {});
    if (noun === 'audit')
      return send(
        200,
        page(
          d.audit.filter((r) => !query.get('failed') || (r.result?.status ?? 0) >= 400),
          query,
        ),
      );
    if (noun === 'clusters' && name === 'usage') return send(200, this.usage(query));
    if (noun === 'operations')
      return name
        ? send(
            200,
            d.operations.find((o) => o.id === name),
          )
        : send(
            200,
            page(
              d.operations.filter((o) => !project || o.project === project),
              query,
            ),
          );
    if (noun === 'events')
      return send(
        200,
        page(
          Object.entries(d.events)
            .filter(([key]) => key.startsWith(`${namespace}/`))
            .flatMap(([, e]) => e),
          query,
        ),
      );
    if (noun === 'members') return this.members(method, project, name, body, send);
    if (noun === 'clusters' && sub) return this.inCluster(method, project, name!, sub, subname, body, query, dryRun, send, fail);
    if (noun === 'serviceaccounts' && sub === 'tokens') {
      const tokens = (d.tokens[`${project}/${name}`] ??= []);
      if (method === 'POST') {
        const token = {
          id: `token-${++this.serial}`,
          created: ago(0),
          createdBy: d.self.name,
          expires: new Date(Date.now() + 3600_000).toISOString(),
          ...body,
          ttl: undefined,
        };
        tokens.push(token);
        return send(201, { ...token, token: 'eyJhbGciOiJFUzI1NiJ9.shown.once' });
      }
      if (method === 'DELETE') d.tokens[`${project}/${name}`] = tokens.filter((t) => t.id !== subname);
      return send(method === 'DELETE' ? 204 : 200, method === 'DELETE' ? undefined : page(tokens, query));
    }
    if (project && noun === 'presets' && sub === 'offers') {
      const offers = this.offers[name ?? ''];
      return offers
        ? send(200, offers)
        : fail(502, 'ERR_INFRA_UNAUTHENTICATED', 'The provider refuses the credentials', 'the token has been revoked');
    }
    if (project && (noun === 'datacenters' || noun === 'presets')) {
      const usable = (d[noun] as Any[]).filter((o) => !o.spec.projects?.length || o.spec.projects.includes(project));
      return send(200, page(usable, query));
    }
    const kind = kinds[noun];
    if (!kind) return fail(404, 'ERR_NOT_FOUND', 'There is no such thing', `there is nothing at ${words.join('/')}`);
    return this.objects(kind, noun, method, namespace, name, query, body, dryRun, send, fail);
  }

  private objects(
    kind: Kind,
    noun: string,
    method: string,
    namespace: string | undefined,
    name: string | undefined,
    query: URLSearchParams,
    body: Any,
    dryRun: boolean,
    send: (s: number, b?: unknown, h?: Record<string, string>) => boolean,
    fail: (s: number, c: string, t: string, d: string, e?: unknown[]) => boolean,
  ): boolean {
    const all = this.data[kind.list] as Any[];
    const found = all.find((o) => o.metadata.name === name && (!kind.project || o.metadata.namespace === namespace));
    if (!name && method === 'GET') {
      return send(
        200,
        page(all.filter((o) => (!namespace || o.metadata.namespace === namespace) && matches(o, query)).sort(order(query)), query),
      );
    }
    if (method === 'POST') {
      const errors = this.check(noun, body);
      if (errors.length) return fail(422, 'ERR_INVALID', 'The request is not valid', 'validation failed', errors);
      if (all.some((o) => o.metadata.name === body.metadata.name && o.metadata.namespace === namespace))
        return fail(409, 'ERR_ALREADY_EXISTS', 'It exists already', `there is a ${kind.kind} ${body.metadata.name} already`);
      const object = {
        apiVersion: 'canopy.dev/v1alpha1',
        kind: kind.kind,
        ...body,
        metadata: { ...meta(body.metadata.name, namespace, 0), ...body.metadata },
      };
      if (!dryRun) {
        all.push(object);
        if (noun === 'clusters') this.create(object);
        else this.emit('added', kind.kind, object);
      }
      return send(
        201,
        object,
        noun === 'clusters' ? { 'Operation-Location': `/api/v1/projects/x/operations/op-${body.metadata.name}` } : {},
      );
    }
    if (!found) return fail(404, 'ERR_NOT_FOUND', 'There is no such thing', `there is no ${kind.kind} ${name}`);
    if (method === 'GET') return send(200, found, { ETag: `"${found.metadata.resourceVersion}"` });
    if (method === 'DELETE') {
      if (!dryRun) {
        if (noun === 'clusters') {
          found.metadata.deletionTimestamp = ago(0);
          found.status.conditions[0] = condition('Ready', 'False', 'Deleting', '3 machines are being drained', 0);
          this.emit('modified', kind.kind, found);
        } else {
          all.splice(all.indexOf(found), 1);
          this.emit('deleted', kind.kind, found);
        }
      }
      return send(204);
    }
    const changed = method === 'PATCH' ? merge(structuredClone(found), body) : { ...found, ...body };
    if (!dryRun) {
      all[all.indexOf(found)] = changed;
      this.emit('modified', kind.kind, changed);
    }
    return send(200, changed, { ETag: `"${changed.metadata.resourceVersion}"` });
  }

  private check(noun: string, body: Any): { location: string; message: string }[] {
    const errors = [];
    if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(body?.metadata?.name ?? ''))
      errors.push({ location: 'body.metadata.name', message: 'must be lower-case letters, digits and dashes, and begin with a letter' });
    if (noun === 'datacenters' && body.spec.provider?.aws && !/^[a-z]+-[a-z]+-\d$/.test(body.spec.provider.aws.region ?? ''))
      errors.push({ location: 'body.spec.provider.aws.region', message: 'must be a region, such as eu-central-1' });
    if (noun === 'clusters' && body.spec.version && !this.data.releases.some((r) => r.metadata?.name === body.spec.version))
      errors.push({ location: 'body.spec.version', message: 'is not supported here' });
    return errors;
  }

  /** create lets a new cluster become ready, step by step. */
  private create(object: Any) {
    object.status = {
      id: 'k7d2m4q9xz',
      seed: 'fra-1',
      readyNodes: 0,
      availableUpgrades: [],
      targetVersion: object.spec.version,
      nodePools: [],
      components: ['apiserver', 'controller-manager', 'etcd', 'scheduler'].map((name) => ({
        name,
        ready: false,
        reason: 'Starting',
        message: 'is starting',
      })),
      conditions: [condition('Ready', 'False', 'WaitingForControlPlane', 'etcd: is starting', 0)],
    };
    this.emit('added', 'Cluster', object);
    object.status.components.forEach((component: Any, i: number) => {
      setTimeout(
        () => {
          component.ready = true;
          component.reason = 'Running';
          delete component.message;
          if (i === object.status.components.length - 1) {
            object.status.endpoint = `https://${object.metadata.name}.fra-1.clusters.example.com`;
            object.status.version = object.spec.version;
            object.status.conditions = [condition('Ready', 'True', 'Ready', 'the control plane is ready', 0)];
          }
          this.emit('modified', 'Cluster', object);
        },
        400 * (i + 1),
      ).unref();
    });
  }

  private inCluster(
    method: string,
    project: string,
    name: string,
    sub: string,
    subname: string | undefined,
    body: Any,
    query: URLSearchParams,
    dryRun: boolean,
    send: (s: number, b?: unknown, h?: Record<string, string>) => boolean,
    fail: (s: number, c: string, t: string, d: string, e?: unknown[]) => boolean,
  ): boolean {
    const cluster = this.data.clusters.find((c) => c.metadata?.name === name && c.metadata?.namespace === `project-${project}`);
    if (!cluster) return fail(404, 'ERR_NOT_FOUND', 'There is no such thing', `there is no Cluster ${name}`);
    const pools = this.data.nodepools.filter((p) => p.spec.cluster === name && p.metadata?.namespace === `project-${project}`);
    if (sub === 'nodepools') {
      if (!subname && method === 'GET') return send(200, page(pools, query));
      if (method === 'POST' && !dryRun) {
        const made = pool(cluster, body.metadata.name, body.spec.replicas ?? 1, 0);
        this.data.nodepools.push(made);
        this.emit('added', 'NodePool', made);
        return send(201, made);
      }
      return this.objects(
        kinds.nodepools!,
        'nodepools',
        method,
        `project-${project}`,
        subname,
        query,
        { ...body, ...(method === 'POST' ? { spec: { cluster: name, ...body.spec } } : {}) },
        dryRun,
        send,
        fail,
      );
    }
    const down = cluster.status?.seed === 'nyc-1' ? [{ seed: 'nyc-1', reason: 'it does not answer: i/o timeout' }] : undefined;
    const machines = down
      ? []
      : pools.flatMap((p) =>
          Array.from({ length: p.spec.replicas ?? 1 }, (_, i) => {
            const ok = i < (p.status?.readyReplicas ?? 0);
            const host = `${p.metadata!.name}-${['x7kq2', 'b2nd8', 'm4tzc', 'q9wfh', 'v5rjp'][i % 5]}`;
            return {
              name: host,
              node: ok ? host : undefined,
              nodePool: p.metadata!.name,
              created: ago(86_400 * 3 + i * 900),
              phase: ok ? 'Running' : 'Provisioned',
              ready: ok,
              version: p.status?.version,
              addresses: ok ? [`10.60.0.${10 + i}`] : [],
              ...(ok ? {} : { message: 'containerd is installed, kubelet is not running yet' }),
            };
          }),
        );
    if (sub === 'machines') return send(200, { items: machines, totalSize: machines.length, partial: down });
    if (sub === 'nodes')
      return send(200, {
        items: machines
          .filter((m) => m.ready)
          .map((m) => ({
            name: m.node,
            machine: m.name,
            nodePool: m.nodePool,
            ready: true,
            kubeletVersion: `v${m.version}`,
            osImage: 'Debian GNU/Linux 12',
            architecture: 'amd64',
            containerRuntime: 'containerd://1.6.20',
            kernelVersion: '6.8.0',
            addresses: m.addresses,
          })),
        totalSize: machines.length,
        partial: down,
      });
    if (sub === 'events')
      return send(
        200,
        page(
          (this.data.events[`project-${project}/${name}`] ?? []).filter((e) => !query.get('type') || e.type === query.get('type')),
          query,
        ),
      );
    if (sub === 'upgrades')
      return send(200, {
        version: cluster.status?.version,
        target: cluster.spec.version,
        upgrades: (cluster.status?.availableUpgrades ?? []).map((version) => ({
          version,
          possible: version !== '1.37.2' || cluster.status?.conditions?.[0]?.status === 'True',
          endOfLife: '2027-06-28',
          ...(version !== '1.37.2' || cluster.status?.conditions?.[0]?.status === 'True' ? {} : { problem: 'the cluster is not ready' }),
        })),
      });
    if (sub === 'metrics') return send(200, metrics(Number(query.get('range')?.replace('h', '') ?? 1)));
    if (sub === 'components') return send(200, `I1128 19:00:00.000000 1 ${subname}.go:42] "Started" component="${subname}"\n`);
    if (sub === 'kubeconfig') return send(200, `apiVersion: v1\nkind: Config\nclusters: [{name: canopy-${project}/${name}}]\n`);
    return fail(404, 'ERR_NOT_FOUND', 'There is no such thing', sub);
  }

  /** usage is made up of the clusters' names, so that it is the same each time. */
  private usage(query: URLSearchParams): Body {
    const items = (query.get('clusters') ?? '').split(',').flatMap((name) => {
      const cluster = this.data.clusters.find((c) => `${c.metadata?.namespace}/${c.metadata?.name}` === `project-${name}`);
      if (!cluster) return [];
      const [project, of] = name.split('/');
      const nodes = cluster.status?.readyNodes ?? 0;
      const down = cluster.status?.seed === 'nyc-1' || nodes === 0;
      const phase = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
      const now = Math.floor(Date.now() / 120_000) * 120;
      const points = (share: number, there: number) =>
        down
          ? []
          : Array.from({ length: 31 }, (_, i) => [
              now - (30 - i) * 120,
              there * share * (1 + 0.25 * Math.sin(i / 4 + phase) + 0.1 * Math.sin(i + phase)),
            ]);
      const share = 0.15 + (phase % 13) / 18;
      return [
        {
          project,
          cluster: of,
          cpu: points(share, nodes * 2),
          memory: points(0.3 + (phase % 7) / 14, nodes * 4 * 2 ** 30),
          ...(down ? {} : { cpuAllocatable: nodes * 2, memoryAllocatable: nodes * 4 * 2 ** 30 }),
        },
      ];
    });
    return { items, totalSize: items.length, partial: [{ seed: 'nyc-1', reason: 'it does not answer: i/o timeout' }] };
  }

  private members(
    method: string,
    project: string,
    id: string | undefined,
    body: Any,
    send: (s: number, b?: unknown, h?: Record<string, string>) => boolean,
  ): boolean {
    const object = this.data.projects.find((p) => p.metadata?.name === project)!;
    const members = (object.spec!.members ??= []) as Any[];
    const idOf = (m: Any) => `${m.kind}:${m.name}`;
    if (method === 'POST') members.push({ kind: 'User', ...body });
    if (method === 'PUT') members.find((m) => idOf(m) === decodeURIComponent(id!)).role = body.role;
    if (method === 'DELETE')
      members.splice(
        members.findIndex((m) => idOf(m) === decodeURIComponent(id!)),
        1,
      );
    if (method !== 'GET') this.emit('modified', 'Project', object);
    if (method === 'DELETE') return send(204);
    return send(
      200,
      method === 'GET' ? { items: members.map((m) => ({ ...m, id: idOf(m) })), totalSize: members.length } : { ...body, id: 'x' },
    );
  }
}

/** metrics are curves that look like those of a cluster. */
function metrics(hours: number): Body {
  const step = 30 * hours;
  const to = Math.floor(Date.now() / 1000 / step) * step;
  const times = Array.from({ length: 120 }, (_, i) => to - (119 - i) * step);
  const curve = (name: string, unit: string, labels: Record<string, string>, base: number, swing: number, phase: number) => ({
    name,
    unit,
    labels,
    points: times.map((time, i) => [time, Math.max(0, base + swing * (Math.sin(i / 9 + phase) + 0.5 * Math.sin(i / 2.3 + phase * 3)))]),
  });
  const GiB = 2 ** 30;
  return {
    from: new Date(times[0]! * 1000).toISOString(),
    to: new Date(to * 1000).toISOString(),
    step,
    series: [
      curve('apiserverErrors', 'ratio', {}, 0, 0, 0),
      curve('apiserverLatency', 'seconds', {}, 0.021, 0.006, 1),
      curve('apiserverRequests', 'requests/s', { verb: 'GET' }, 9, 2, 0),
      curve('apiserverRequests', 'requests/s', { verb: 'WATCH' }, 4, 1, 2),
      curve('apiserverRequests', 'requests/s', { verb: 'PATCH' }, 2, 0.8, 4),
      curve('controlPlaneCPU', 'cores', { component: 'control-plane' }, 0.033, 0.008, 0),
      curve('controlPlaneCPU', 'cores', { component: 'prometheus' }, 0.009, 0.002, 1),
      curve('controlPlaneMemory', 'bytes', { component: 'control-plane' }, 0.17 * GiB, 0.004 * GiB, 1),
      curve('controlPlaneMemory', 'bytes', { component: 'prometheus' }, 0.06 * GiB, 0.002 * GiB, 3),
      curve('etcdFsync', 'seconds', {}, 0.004, 0.001, 2),
      curve('etcdSize', 'bytes', {}, 0.012 * GiB, 0, 0),
      curve('etcdSizeInUse', 'bytes', {}, 0.008 * GiB, 0.0004 * GiB, 0),
      curve('nodeCPU', 'cores', { node: 'workers-x7kq2' }, 0.8, 0.2, 0),
      curve('nodeCPU', 'cores', { node: 'workers-b2nd8' }, 0.5, 0.15, 2),
      curve('nodeCPU', 'cores', { node: 'workers-m4tzc' }, 1.1, 0.2, 4),
      curve('nodeCPUAllocatable', 'cores', { node: 'workers-x7kq2' }, 2, 0, 0),
      curve('nodeMemory', 'bytes', { node: 'workers-x7kq2' }, 1.7 * GiB, 0.1 * GiB, 0),
      curve('nodeMemory', 'bytes', { node: 'workers-b2nd8' }, 1.2 * GiB, 0.1 * GiB, 2),
      curve('nodeMemory', 'bytes', { node: 'workers-m4tzc' }, 2.4 * GiB, 0.1 * GiB, 4),
      curve('nodeMemoryAllocatable', 'bytes', { node: 'workers-x7kq2' }, 4 * GiB, 0, 0),
    ],
  };
}

function page(items: Any[], query: URLSearchParams): Body {
  const size = Number(query.get('pageSize') ?? 50);
  const from = Number(query.get('pageToken') ?? 0);
  return {
    items: items.slice(from, from + size),
    totalSize: items.length,
    ...(from + size < items.length ? { nextPageToken: String(from + size) } : {}),
  };
}

function matches(object: Any, query: URLSearchParams): boolean {
  const ready = object.status?.conditions?.find((c: Any) => c.type === 'Ready')?.status ?? 'Unknown';
  const labels = (query.get('labelSelector') ?? '').split(',').filter(Boolean);
  return (
    object.metadata.name.includes(query.get('search') ?? '') &&
    (!query.get('ready') || ready === query.get('ready')) &&
    labels.every((label) => object.metadata.labels?.[label.split('=')[0]!] === label.split('=')[1])
  );
}

function order(query: URLSearchParams) {
  const by = query.get('orderBy') ?? 'name';
  const key = (o: Any) => (by.endsWith('created') ? o.metadata.creationTimestamp : o.metadata.name);
  return (a: Any, b: Any) => (by.startsWith('-') ? -1 : 1) * key(a).localeCompare(key(b));
}

function merge(target: Any, patch: Any): Any {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete target[key];
    else if (typeof value === 'object' && !Array.isArray(value)) target[key] = merge(target[key] ?? {}, value);
    else target[key] = value;
  }
  return target;
}
