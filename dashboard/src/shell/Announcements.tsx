// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { CloseButton, Text } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { Megaphone } from 'lucide-react';
import { api } from '../api';
import { current, seenKey, toneOfAnnouncement } from '../ui/announce.model';
import { useNow } from '../ui/Now';

/** Announcements is what everybody is to know now, above every page, until it is over or put away. */
export function Announcements() {
  const reading = api.useQuery('get', '/api/v1/announcements', { params: { query: { pageSize: 100 } } });
  const [seen, setSeen] = useLocalStorage<string[]>({ key: 'announcements', defaultValue: [], getInitialValueInEffect: false });
  const shown = current(reading.data?.items ?? [], useNow(), seen);
  if (shown.length === 0) return null;
  return (
    <section aria-label="Announcements" style={{ display: 'grid', gap: 8, maxWidth: 1320, margin: '0 auto 16px' }}>
      {shown.map((one) => (
        <div key={one.metadata?.name} className="announcement" data-tone={toneOfAnnouncement(one)}>
          <Megaphone size={16} className="tone" aria-hidden style={{ flex: 'none', marginTop: 2 }} />
          <Text size="sm" className="wrap" style={{ flex: 1, whiteSpace: 'pre-line' }}>
            {one.spec.severity && one.spec.severity !== 'Info' && <b>{one.spec.severity}: </b>}
            {one.spec.message}
          </Text>
          {one.spec.severity !== 'Critical' && (
            <CloseButton size="sm" aria-label="Put away" onClick={() => setSeen([...seen.slice(-49), seenKey(one)])} />
          )}
        </div>
      ))}
    </section>
  );
}
