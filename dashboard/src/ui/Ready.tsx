// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Condition } from '../api';
import { find, toneOf } from './conditions.model';
import { Status } from './Status';
import { words } from './words';

/** Ready says in one word how something is, and why to whoever asks. */
export function Ready({ conditions }: { conditions: Condition[] | undefined }) {
  const ready = find(conditions, 'Ready');
  if (!ready) return <Status tone="busy" label="Pending" why="No controller has looked at it." />;
  return <Status tone={toneOf(ready)} label={words(ready.reason)} why={ready.message || undefined} />;
}
