// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { components } from './api.gen';

export type Problem = components['schemas']['Problem'];

/** offlineCode is the code of the problem that we make ourselves when no answer has come. */
export const offlineCode = 'ERR_OFFLINE';

/** asProblem turns whatever was thrown into a problem: the API's own as it is, a network failure as one that may pass. */
export function asProblem(error: unknown): Problem {
  if (isProblem(error)) return error;
  const network = error instanceof TypeError;
  return {
    type: 'about:blank',
    code: network ? offlineCode : 'ERR_UNEXPECTED',
    title: network ? 'The platform does not answer' : 'Something unexpected happened',
    detail: network ? 'The request did not get through.' : error instanceof Error ? error.message : String(error),
    hint: network ? 'Check your connection; the page goes on by itself when the platform answers again.' : 'Reload the page.',
    owner: network ? 'operator' : 'user',
    retryable: network,
    status: 0,
  };
}

function isProblem(error: unknown): error is Problem {
  return typeof error === 'object' && error !== null && 'code' in error && 'title' in error;
}

/** fieldErrors returns what a problem says of places in the body, by path ("spec.version"), and what belongs to no known field. */
export function fieldErrors(problem: Problem, known: string[]): { fields: Record<string, string>; rest: string[] } {
  const fields: Record<string, string> = {};
  const rest: string[] = [];
  for (const item of problem.errors ?? []) {
    const path = (item.location ?? '').replace(/^body\.?/, '').replace(/\[(\d+)\]/g, '.$1');
    const field = known.filter((name) => within(path, name)).reduce((longest, name) => (name.length > longest.length ? name : longest), '');
    if (field) fields[field] = fields[field] ? `${fields[field]}; ${item.message}` : item.message;
    else rest.push(path ? `${path}: ${item.message}` : item.message);
  }
  return { fields, rest };
}

/** within reports whether a place is another, or below it. */
export function within(place: string, at: string): boolean {
  return place === at || place.startsWith(`${at}.`);
}

/** under is a problem with a body that is a part of a larger form, at that place. */
export function under(problem: Problem, place: string): Problem {
  return { ...problem, errors: problem.errors?.map((item) => ({ ...item, location: item.location?.replace(/^body/, place) })) };
}
