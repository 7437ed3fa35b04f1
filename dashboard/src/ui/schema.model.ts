// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

/** What forms are made of: schemas as the API writes them, with nothing that is somewhere else. */
export interface Schema {
  type?: string;
  description?: string;
  enum?: string[];
  default?: unknown;
  required?: string[];
  format?: string;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  maxProperties?: number;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
}

export type Values = Record<string, unknown>;

/** Shape is how something is asked for. */
export type Shape = 'text' | 'long' | 'choice' | 'number' | 'switch' | 'date' | 'time' | 'texts' | 'pairs' | 'list' | 'object' | 'oneOf';

export interface Field {
  key: string;
  label: string;
  help: string;
  shape: Shape;
  required: boolean;
  /** telling: being there means something, also without members. It is switched on and off. */
  telling: boolean;
  schema: Schema;
}

export function shapeOf(schema: Schema): Shape {
  if (schema.enum) return 'choice';
  switch (schema.type) {
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'switch';
    case 'array':
      return schema.items?.type === 'object' ? 'list' : 'texts';
    case 'object':
      if (typeof schema.additionalProperties === 'object') return 'pairs';
      return schema.maxProperties === 1 ? 'oneOf' : 'object';
  }
  if (schema.format === 'date') return 'date';
  if (schema.format === 'date-time') return 'time';
  return (schema.maxLength ?? 0) === 1000 ? 'long' : 'text';
}

/** fieldsOf lists the members of an object: what is required first, and then in the order that is wanted. */
export function fieldsOf(schema: Schema, first: string[] = []): Field[] {
  const rank = (key: string) => (schema.required?.includes(key) ? 0 : 1) * 100 + (first.includes(key) ? first.indexOf(key) : 50);
  return Object.entries(schema.properties ?? {})
    .map(([key, of]) => {
      const required = schema.required?.includes(key) ?? false;
      const shape = shapeOf(of);
      return {
        key,
        label: labelOf(key),
        help: helpOf(key, of.description ?? ''),
        shape,
        required,
        telling: shape === 'object' && !required && of.default === undefined,
        schema: of,
      };
    })
    .sort((a, b) => rank(a.key) - rank(b.key));
}

const capitals = new Set(['cpu', 'cpus', 'dns', 'id', 'url', 'ssh', 'http', 'https']);

/** labelOf writes a key as people would: podCIDR is Pod CIDR, diskGiB is Disk (GiB). */
export function labelOf(key: string): string {
  const [, name = key, unit] = /^(.+?)([GM]iB)?$/.exec(key) ?? [];
  const words = name.match(/[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+|\d+/g) ?? [name];
  const written = words.map((word, i) => {
    if (capitals.has(word.toLowerCase()))
      return word.replace(/^(.*?)(s?)$/i, (_, w: string, s: string) => w.toUpperCase() + (w.length > 2 ? s : s.toUpperCase()));
    if (/[A-Z]{2}/.test(word)) return word;
    return i ? word.toLowerCase() : word.charAt(0).toUpperCase() + word.slice(1);
  });
  return written.join(' ') + (unit ? ` (${unit})` : '');
}

/** helpOf takes from a description the name with which it begins, as those of Go do. */
export function helpOf(key: string, description: string): string {
  const text = description.replace(/\s+/g, ' ').trim();
  const named = new RegExp(`^${key}(?:[:,]|(?: (?:is|are|says|say)\\b)?) `, 'i');
  const typed = /^(?=\w*[a-z])[A-Z]\w*[A-Z]\w* (?:(?:is|are|says|say) )?/;
  const rest = text.replace(named.test(text) ? named : typed, '');
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

/** put sets a member, or takes it out when it is empty. What is empty and says something by being there is kept. */
export function put(object: Values | undefined, key: string, value: unknown, telling = false): Values {
  const { [key]: _, ...rest } = object ?? {};
  return empty(value) && !(telling && value !== undefined) ? rest : { ...rest, [key]: value };
}

function empty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** pathsOf lists the places of all members; what is in lists is at the place of the list. */
export function pathsOf(schema: Schema, at: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, of]) => [...pathsOf(of, `${at}.${key}`), `${at}.${key}`]);
}

/** placesOf lists the places of an object with such a spec that a form has fields for, with at before each. */
export function placesOf(spec: Schema | undefined, at = ''): string[] {
  return ['metadata.name', ...pathsOf(spec ?? {}, 'spec')].map((place) => at + place);
}

/** pairs are written as name=value. What has no = is not a pair yet. */
export function pairsOf(value: unknown): string[] {
  return Object.entries((value ?? {}) as Values).map(([name, of]) => `${name}=${of}`);
}

export function fromPairs(pairs: string[]): Values {
  const found: Values = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at > 0) found[pair.slice(0, at).trim()] = pair.slice(at + 1).trim();
  }
  return found;
}

/** localTime writes a time for a field of the browser, which has no zone; fromLocal reads it. */
export function localTime(time: unknown): string {
  const date = new Date(String(time));
  if (Number.isNaN(date.getTime())) return '';
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function fromLocal(text: string): string | undefined {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** without leaves members out of an object. */
export function without(schema: Schema, keys: string[]): Schema {
  return { ...schema, properties: Object.fromEntries(Object.entries(schema.properties ?? {}).filter(([key]) => !keys.includes(key))) };
}
