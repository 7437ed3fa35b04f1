// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Schema } from '../api';
import type { Tone } from './Status';

type Announcement = Schema<'Announcement'>;

const weight = { Critical: 0, Warning: 1, Info: 2 } as const;
const tones: Record<keyof typeof weight, Tone> = { Critical: 'bad', Warning: 'warn', Info: 'busy' };

const severityOf = (announcement: Announcement) => announcement.spec.severity ?? 'Info';

export function toneOfAnnouncement(announcement: Announcement): Tone {
  return tones[severityOf(announcement)];
}

/** phaseOf says whether an announcement is shown at a time, will be, or was. */
export function phaseOf(announcement: Announcement, now: number): 'Planned' | 'Shown' | 'Over' {
  const { from, until } = announcement.spec;
  if (until && Date.parse(until) <= now) return 'Over';
  return from && Date.parse(from) > now ? 'Planned' : 'Shown';
}

/** seenKey names what somebody has put away: an announcement that was changed since is another one. */
export function seenKey(announcement: Announcement): string {
  return `${announcement.metadata?.uid}/${announcement.metadata?.generation ?? announcement.metadata?.resourceVersion}`;
}

/** current are the announcements to show, the gravest first. What is critical cannot be put away. */
export function current(announcements: Announcement[], now: number, seen: string[]): Announcement[] {
  return announcements
    .filter((one) => phaseOf(one, now) === 'Shown' && (severityOf(one) === 'Critical' || !seen.includes(seenKey(one))))
    .sort((a, b) => weight[severityOf(a)] - weight[severityOf(b)] || (a.metadata?.name ?? '').localeCompare(b.metadata?.name ?? ''));
}
