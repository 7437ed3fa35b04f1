// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Kbd, Modal, Text, TextInput } from '@mantine/core';
import { useRouter } from '@tanstack/react-router';
import { Search } from 'lucide-react';
import { type KeyboardEvent, useState } from 'react';
import { api, projectOf } from '../api';
import { useSelf } from '../me';
import { useDebounced } from '../ui/Now';

interface Target {
  label: string;
  sub: string;
  to: string;
}

/** Palette goes anywhere by a few letters. Clusters are searched by the server. */
export function Palette({ onClose }: { onClose: () => void }) {
  const router = useRouter();
  const self = useSelf();
  const [text, setText] = useState('');
  const [chosen, choose] = useState(0);
  const search = useDebounced(text.trim().toLowerCase(), 150);
  const clusters = api.useQuery('get', '/api/v1/clusters', { params: { query: { pageSize: 8, ...(search ? { search } : {}) } } });
  const projects = (self?.projects ?? []).filter((p) => `${p.name} ${p.displayName ?? ''}`.toLowerCase().includes(search)).slice(0, 5);
  const targets: Target[] = [
    ...(clusters.data?.items ?? []).map((cluster) => ({
      label: cluster.metadata?.name ?? '',
      sub: `Cluster in ${projectOf(cluster)}`,
      to: `/projects/${projectOf(cluster)}/clusters/${cluster.metadata?.name}`,
    })),
    ...projects.map((p) => ({ label: p.displayName || p.name, sub: 'Project', to: `/projects/${p.name}` })),
    ...(self?.admin ? pages : pages.slice(0, 2)).filter((page) => page.label.toLowerCase().includes(search)),
  ];
  const go = (target: Target | undefined) => {
    if (!target) return;
    onClose();
    void router.navigate({ to: target.to });
  };
  const key = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') choose(Math.min(chosen + 1, targets.length - 1));
    else if (event.key === 'ArrowUp') choose(Math.max(chosen - 1, 0));
    else if (event.key === 'Enter') go(targets[chosen]);
    else return;
    event.preventDefault();
  };
  return (
    <Modal opened onClose={onClose} withCloseButton={false} padding={0} yOffset="12vh" centered={false} aria-label="Go to">
      <TextInput
        data-autofocus
        size="md"
        variant="unstyled"
        px="md"
        leftSection={<Search size={16} />}
        placeholder="Go to a cluster, project or page"
        aria-label="Go to"
        role="combobox"
        aria-expanded
        aria-controls="palette"
        aria-activedescendant={targets[chosen] ? `palette-${chosen}` : undefined}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          choose(0);
        }}
        onKeyDown={key}
      />
      <div
        id="palette"
        role="listbox"
        aria-label="Found"
        style={{ borderTop: '1px solid var(--canopy-line)', padding: 6, maxHeight: 380, overflowY: 'auto' }}
      >
        {targets.map((target, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys
          <div
            key={target.to}
            id={`palette-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === chosen}
            onMouseMove={() => choose(i)}
            onClick={() => go(target)}
            style={{
              display: 'flex',
              justifyContent: 'space-between',
              gap: 12,
              padding: '7px 10px',
              borderRadius: 6,
              cursor: 'pointer',
              background: i === chosen ? 'var(--canopy-soft)' : undefined,
            }}
          >
            <Text size="sm" fw={550} truncate>
              {target.label}
            </Text>
            <Text size="sm" c="dimmed">
              {target.sub}
            </Text>
          </div>
        ))}
        {targets.length === 0 && (
          <Text c="dimmed" p="md" ta="center">
            Nothing is called so.
          </Text>
        )}
      </div>
      <Text size="xs" c="dimmed" px="md" py={8} style={{ borderTop: '1px solid var(--canopy-line)' }}>
        <Kbd size="xs">↑</Kbd> <Kbd size="xs">↓</Kbd> choose · <Kbd size="xs">Enter</Kbd> go · <Kbd size="xs">/</Kbd> search on the page
      </Text>
    </Modal>
  );
}

const pages: Target[] = [
  { label: 'Home', sub: 'Page', to: '/' },
  { label: 'All clusters', sub: 'Page', to: '/clusters' },
  { label: 'Fleet', sub: 'Platform', to: '/admin' },
  { label: 'Seeds', sub: 'Platform', to: '/admin/seeds' },
  { label: 'Datacenters', sub: 'Platform', to: '/admin/datacenters' },
  { label: 'Presets', sub: 'Platform', to: '/admin/presets' },
  { label: 'Releases', sub: 'Platform', to: '/admin/releases' },
  { label: 'Users', sub: 'Platform', to: '/admin/users' },
  { label: 'Announcements', sub: 'Platform', to: '/admin/announcements' },
  { label: 'Audit', sub: 'Platform', to: '/admin/audit' },
  { label: 'Settings', sub: 'Platform', to: '/admin/settings' },
];
