// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// All requests to the API go through here.
import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query';
import createFetchClient from 'openapi-fetch';
import createClient from 'openapi-react-query';
import type { components, paths } from './api.gen';
import { asProblem } from './problem';
import { csrfToken, refresh, signedInAgain } from './session';

type Schemas = components['schemas'];
export type Schema<K extends keyof Schemas> = Schemas[K];
export type Cluster = Schemas['Cluster'];
export type NodePool = Schemas['NodePool'];
export type Condition = NonNullable<NonNullable<Cluster['status']>['conditions']>[number];

/** asUser sends a request with the session's token, and once more when the session had ended and was renewed. */
async function asUser(request: Request): Promise<Response> {
  for (let attempt = 0; ; attempt++) {
    const copy = request.clone();
    if (copy.method !== 'GET') copy.headers.set('X-CSRF-Token', csrfToken());
    const response = await fetch(copy);
    if (response.status === 401) {
      await signedInAgain();
      continue;
    }
    if (response.status === 403 && attempt === 0 && copy.method !== 'GET') {
      const problem = await response.clone().json();
      if (problem.code === 'ERR_CSRF' && (await refresh())) continue;
    }
    return response;
  }
}

export const http = createFetchClient<paths>({
  fetch: asUser,
  baseUrl: typeof location === 'undefined' ? '' : location.origin,
  // Lists in an address are separated by commas.
  querySerializer: { array: { style: 'form', explode: false } },
});
export const api = createClient(http);

export const queryClient: QueryClient = new QueryClient({
  queryCache: new QueryCache(),
  mutationCache: new MutationCache(),
  defaultOptions: {
    queries: {
      // The stream of changes keeps what was read up to date (live.ts): nothing is asked for again because time has passed.
      staleTime: Number.POSITIVE_INFINITY,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      retry: (count, error) => asProblem(error).retryable && count < 3,
      retryDelay: (count) => 500 * 2 ** count,
    },
    mutations: { retry: false },
  },
});

/** result returns the data of an answer, or throws its problem. */
export async function result<T>(answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await answer;
  if (error !== undefined) throw error;
  if (!response.ok) throw asProblem(new Error(`The server answered ${response.status}.`));
  return data as T;
}

/** anyVersion is the header of changes that do not depend on what was read: they set single fields. */
export const anyVersion = { 'If-Match': '*' };

/** mergePatch sends a change as a JSON merge patch. */
export const mergePatch = { headers: { 'Content-Type': 'application/merge-patch+json', ...anyVersion } };

/** ifUnchanged is the header of a change that is lost if somebody else was faster. */
export function ifUnchanged(object: { metadata?: { resourceVersion?: string } }) {
  return { 'If-Match': object.metadata?.resourceVersion ? `"${object.metadata.resourceVersion}"` : '*' };
}

export { projectOf } from './project';
