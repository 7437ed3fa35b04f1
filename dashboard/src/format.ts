// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

/** Texts for people: durations, times in the reader's zone, quantities. */

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** duration returns seconds as people say them, in at most two units: "41 s", "3 min", "2 h 5 min", "12 d". */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < minute) return `${s} s`;
  if (s < hour) return s < 10 * minute && s % minute ? `${Math.floor(s / minute)} min ${s % minute} s` : `${Math.floor(s / minute)} min`;
  if (s < day) return s % hour >= minute ? `${Math.floor(s / hour)} h ${Math.floor((s % hour) / minute)} min` : `${Math.floor(s / hour)} h`;
  return s < 3 * day && s % day >= hour ? `${Math.floor(s / day)} d ${Math.floor((s % day) / hour)} h` : `${Math.floor(s / day)} d`;
}

/** age returns how long something has been, in one unit, for tables. */
export function age(since: string | null | undefined, now: number): string {
  if (!since) return '–';
  const s = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  if (s < minute) return `${s} s`;
  if (s < hour) return `${Math.floor(s / minute)} min`;
  if (s < 2 * day) return `${Math.floor(s / hour)} h`;
  return `${Math.floor(s / day)} d`;
}

/** exactTime returns a time in the reader's zone, with the zone. */
export function exactTime(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'long' });
}

/** shortTime returns a time in the reader's zone, for tables. */
export function shortTime(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

export function dateOnly(time: string): string {
  return new Date(time).toLocaleDateString(undefined, { dateStyle: 'medium' });
}

const suffixes: Record<string, number> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/** quantity reads a quantity of Kubernetes, such as "500m" or "8Gi"; NaN if it is none. */
export function quantity(text: string | number | undefined): number {
  const match = /^([+-]?\d+(?:\.\d+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/.exec(String(text ?? '').trim());
  return match ? Number(match[1]) * suffixes[match[2] ?? '']! : Number.NaN;
}

/** bytes returns a size in binary units, as "1.5 GiB". */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let i = 0;
  while (Math.abs(n) >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${round(n)} ${units[i]}`;
}

/** round keeps the digits that matter. */
export function round(n: number): string {
  return String(Math.abs(n) >= 100 ? Math.round(n) : Math.round(n * 10) / 10);
}

/** plural returns "1 node", "3 nodes". */
export function count(n: number, noun: string): string {
  return `${n.toLocaleString('en')} ${n === 1 ? noun : noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;
}
