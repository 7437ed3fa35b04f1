// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Tooltip } from '@mantine/core';
import type { ReactNode } from 'react';

/** Tone is what a state means to whoever looks: red is only what needs somebody. */
export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'off';

/** Status is a coloured dot and a word; color never says it alone. */
export function Status({ tone, label, why }: { tone: Tone; label: ReactNode; why?: string }) {
  const content = (
    <span data-tone={tone} style={{ display: 'inline-flex', alignItems: 'center', gap: 8, whiteSpace: 'nowrap' }}>
      <span className="dot" data-busy={tone === 'busy' || undefined} />
      <span className={tone === 'good' || tone === 'off' ? undefined : 'tone'}>{label}</span>
    </span>
  );
  return why ? <Tooltip label={why}>{content}</Tooltip> : content;
}

/** Chip is a short remark beside something. */
export function Chip({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className="chip" data-tone={tone}>
      {children}
    </span>
  );
}
