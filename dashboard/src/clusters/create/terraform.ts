// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { type Draft, named, poolBody } from './model';

/** maps are the fields whose members have names of their own, which stay as they are. */
export const maps = new Set(['labels', 'annotations', 'extraArgs', 'images', 'templates', 'requests', 'limits', 'matchLabels']);

/** nameOf returns the attribute of a field, by the provider's rule: podCIDR is pod_cidr, and provider is infrastructure. */
export function nameOf(key: string): string {
  if (key === 'provider') return 'infrastructure';
  const upper = (at: number) => /[A-Z]/.test(key[at] ?? '');
  const lower = (at: number) => /[a-z]/.test(key[at] ?? '');
  let name = '';
  for (let i = 0; i < key.length; i++) {
    if (i > 0 && upper(i)) {
      const last = i + 1 === key.length || (i + 2 === key.length && key[i + 1] === 's'); // SANs is one word
      if (lower(i - 1) || (!last && lower(i + 1))) name += '_';
    }
    name += key[i]?.toLowerCase();
  }
  return name;
}

/** toTerraform writes a draft as resources of the provider canopy.dev/canopy/canopy. */
export function toTerraform(project: string, draft: Draft): string {
  const whole = named(draft);
  const cluster = block('canopy_cluster', whole.name, [['project', text(project)], ['name', text(whole.name)], ...attributes(whole.spec)]);
  const pools = whole.pools.map((pool) => {
    const { cluster: _, ...spec } = poolBody(whole.name, pool).spec;
    const place: [string, string][] = [
      ['project', `canopy_cluster.${whole.name}.project`],
      ['cluster', `canopy_cluster.${whole.name}.name`],
      ['name', text(pool.name)],
    ];
    return block('canopy_node_pool', pool.name, [...place, ...attributes(spec)]);
  });
  return [cluster, ...pools].join('\n');
}

function block(type: string, name: string, lines: [string, string][]): string {
  return `resource "${type}" ${text(name)} {\n${aligned(lines, '  ')}}\n`;
}

/** attributes are the fields that say something, with their values as expressions. */
function attributes(object: object, indent = '  '): [string, string][] {
  return Object.entries(object)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]): [string, string] => [nameOf(key), expression(value, indent, maps.has(key))]);
}

function expression(value: unknown, indent: string, map: boolean): string {
  if (typeof value === 'string') return text(value);
  if (typeof value !== 'object' || value === null) return String(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const entries = value.map((entry) => expression(entry, inner, false));
    const line = `[${entries.join(', ')}]`;
    if (line.length < 100 && !line.includes('\n')) return line;
    return `[\n${entries.map((entry) => `${inner}${entry},\n`).join('')}${indent}]`;
  }
  const lines = map
    ? Object.entries(value).map(([key, of]): [string, string] => [
        /^[A-Za-z_][\w-]*$/.test(key) ? key : text(key),
        expression(of, inner, true),
      ])
    : attributes(value, inner);
  if (lines.length === 0) return '{}';
  return `{\n${aligned(lines, inner)}${indent}}`;
}

/** aligned writes attributes as terraform fmt does: the = of lines that follow each other are below each other. */
function aligned(lines: [string, string][], indent: string): string {
  let out = '';
  for (let from = 0; from < lines.length; ) {
    let to = from;
    while (to < lines.length && !lines[to]![1].includes('\n')) to++;
    const group = lines.slice(from, Math.max(to, from + 1));
    const width = Math.max(...group.map(([name]) => name.length));
    for (const [name, value] of group) out += `${indent}${name.padEnd(width)} = ${value}\n`;
    from += group.length;
  }
  return out;
}

/** text quotes a string; what begins a template in Terraform is a text here. */
function text(value: string): string {
  return JSON.stringify(value).replace(/[$%]\{/g, (begin) => begin.charAt(0) + begin);
}
