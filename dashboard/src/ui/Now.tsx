// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Tooltip } from '@mantine/core';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { age, duration, exactTime } from '../format';

let now = Date.now();
const listeners = new Set<() => void>();
setInterval(() => {
  now = Date.now();
  for (const listener of listeners) listener();
}, 1000);

/** useNow returns the time, to the second when fast, to the quarter of a minute otherwise. */
export function useNow(fast = false): number {
  const [started] = useState(() => Date.now());
  const tick = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => (fast ? now : now - (now % 15_000)),
  );
  return Math.max(tick, fast ? 0 : started);
}

/** Age is how old something is; the exact time is one hover away. */
export function Age({ time }: { time: string | null | undefined }) {
  const value = age(time, useNow());
  if (!time) return <span className="number">–</span>;
  return (
    <Tooltip label={exactTime(time)}>
      <time dateTime={time} className="number" style={{ whiteSpace: 'nowrap' }}>
        {value}
      </time>
    </Tooltip>
  );
}

/** Elapsed counts the seconds since a time. */
export function Elapsed({ since }: { since: string }) {
  const seconds = (useNow(true) - Date.parse(since)) / 1000;
  return <span className="number">{duration(seconds)}</span>;
}

/** useDebounced returns a value once it has stayed the same for some milliseconds. */
export function useDebounced<T>(value: T, ms: number): T {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
