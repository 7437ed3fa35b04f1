// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// The session of the browser: a cookie that scripts cannot read, and a token that has to come with every change. When the session ends
// while somebody works, requests wait here until that person has signed in again in another window; nothing on the page is lost.
import { useSyncExternalStore } from 'react';

export interface Session {
  user: string;
  groups: string[];
  csrfToken: string;
}

type State = { kind: 'unknown' } | { kind: 'signedIn'; session: Session } | { kind: 'signedOut' } | { kind: 'expired'; session: Session };

let state: State = { kind: 'unknown' };
const listeners = new Set<() => void>();
let waiting: (() => void)[] = [];

function set(next: State) {
  state = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useSession(): State {
  return useSyncExternalStore(subscribe, () => state);
}

export function csrfToken(): string {
  return state.kind === 'signedIn' || state.kind === 'expired' ? state.session.csrfToken : '';
}

/** refresh asks the server who is signed in. It reports false when nobody is; network failures are thrown. */
export async function refresh(): Promise<boolean> {
  const response = await fetch('/auth/session', { headers: { Accept: 'application/json' } });
  if (response.status === 401) {
    if (state.kind === 'signedIn' || state.kind === 'expired') set({ kind: 'expired', session: state.session });
    else set({ kind: 'signedOut' });
    return false;
  }
  if (!response.ok) throw await response.json();
  const session: Session = await response.json();
  if ((state.kind === 'signedIn' || state.kind === 'expired') && state.session.user !== session.user) {
    location.assign('/'); // somebody else has signed in: what is on the page was not for them
    return true;
  }
  set({ kind: 'signedIn', session });
  for (const resume of waiting) resume();
  waiting = [];
  return true;
}

/** signedInAgain waits until there is a session again. */
export function signedInAgain(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (state.kind === 'signedIn') set({ kind: 'expired', session: state.session });
  });
}

export function signInURL(issuer: string, back: string): string {
  return `/auth/login?${new URLSearchParams({ issuer, back })}`;
}

export async function signOut(): Promise<void> {
  await fetch('/auth/logout', { method: 'POST', headers: { 'X-CSRF-Token': csrfToken() } });
  location.assign('/');
}

/** channel tells the other windows of this browser that somebody has signed in. */
export const channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel('canopy-session');
if (channel) channel.onmessage = () => void refresh().catch(() => undefined);
