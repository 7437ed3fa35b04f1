// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// One stream of changes keeps everything on the page up to date: objects are put where they are shown, lists are asked for again when
// something came or went.
import type { Query } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { queryClient } from './api';
import { type Change, kindOf, patchList, places } from './live.model';
import { refresh } from './session';

/** kinds are what is watched, by the names that the API's stream has for them. */
const kinds = [
  'announcements',
  'clusters',
  'clustersets',
  'datacenters',
  'nodepools',
  'presets',
  'projects',
  'releases',
  'seeds',
  'sshkeys',
  'templates',
  'users',
];

/** patience is after how many milliseconds without a sign of life a stream is taken for dead; the server gives one every 15 s. */
const patience = 40_000;

export type Connection = { state: 'connecting' } | { state: 'live' } | { state: 'lost'; since: number };

let connection: Connection = { state: 'connecting' };
const listeners = new Set<() => void>();

function set(next: Connection) {
  if (next.state === connection.state) return;
  connection = next;
  for (const listener of listeners) listener();
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => connection,
  );
}

/** outdated are the names of lists to be asked for again, all at once a moment later. */
const outdated = new Set<string>();
let soon: ReturnType<typeof setTimeout> | undefined;

function outdate(name: string) {
  outdated.add(name);
  if (soon) return;
  soon = setTimeout(() => {
    soon = undefined;
    const names = new Set(outdated);
    outdated.clear();
    void queryClient.invalidateQueries({ predicate: (query) => names.has(nameOf(query)) });
  }, 400);
}

function pathOf(query: Query): string {
  return typeof query.queryKey[1] === 'string' ? query.queryKey[1] : '';
}

function nameOf(query: Query): string {
  return kindOf(pathOf(query));
}

function apply(change: Change) {
  const place = places(change);
  for (const query of queryClient.getQueryCache().getAll()) {
    const name = nameOf(query);
    if (name !== place.kind) continue;
    const params = (query.queryKey[2] as { params?: { path?: Record<string, string>; query?: Record<string, string> } } | undefined)
      ?.params;
    if (pathOf(query).endsWith('{name}')) {
      if (!place.isAt(params?.path ?? {})) continue;
      if (change.verb === 'deleted') void query.invalidate();
      if (change.verb === 'deleted') void query.fetch().catch(() => undefined);
      else query.setData(change.object);
      continue;
    }
    const patched = patchList(query.state.data, change);
    if (patched) query.setData(patched);
    // What came, went or is filtered may be on another page now.
    if (change.verb !== 'modified' || params?.query?.ready) outdate(place.kind);
  }
  for (const name of place.concerns) outdate(name);
}

/** follow watches until it is told to stop. */
export function follow(): () => void {
  let source: EventSource | undefined;
  let last = '';
  let watchdog: ReturnType<typeof setTimeout> | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let delay = 500;
  let begun = false;

  const alive = (event: MessageEvent) => {
    last = event.lastEventId || last;
    delay = 500;
    set({ state: 'live' });
    clearTimeout(watchdog);
    watchdog = setTimeout(reconnect, patience);
  };
  const lost = () => set({ state: 'lost', since: Date.now() });
  const reconnect = () => {
    lost();
    source?.close();
    clearTimeout(again);
    again = setTimeout(() => {
      delay = Math.min(delay * 2, 15_000);
      refresh().then((signedIn) => (signedIn ? connect() : reconnect()), reconnect);
    }, delay);
  };
  const connect = () => {
    const query = new URLSearchParams({ kinds: kinds.join(',') });
    if (last) query.set('lastEventId', last);
    source = new EventSource(`/api/v1/watch?${query}`);
    source.addEventListener('bookmark', (event) => {
      alive(event);
      // What was read before the stream began may have changed in between.
      if (!begun) void queryClient.invalidateQueries({ predicate: (query) => query.state.dataUpdatedAt > 0 });
      begun = true;
    });
    source.addEventListener('relist', (event) => {
      alive(event);
      begun = true;
      void queryClient.invalidateQueries();
    });
    for (const verb of ['added', 'modified', 'deleted'] as const) {
      source.addEventListener(verb, (event) => {
        alive(event);
        apply({ verb, ...JSON.parse(event.data) });
      });
    }
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) reconnect();
      else lost(); // the browser tries again by itself, and says where it was
    };
  };
  const online = () => {
    delay = 500;
    if (connection.state === 'lost') reconnect();
  };
  addEventListener('online', online);
  connect();
  return () => {
    removeEventListener('online', online);
    clearTimeout(watchdog);
    clearTimeout(again);
    source?.close();
  };
}
