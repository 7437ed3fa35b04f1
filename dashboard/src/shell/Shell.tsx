// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import {
  ActionIcon,
  AppShell,
  Burger,
  Group,
  Menu,
  Text,
  Tooltip,
  UnstyledButton,
  useComputedColorScheme,
  useMantineColorScheme,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Outlet, useParams, useRouterState } from '@tanstack/react-router';
import { BookOpen, LogOut, Moon, Search, Sun, UserRound } from 'lucide-react';
import { useEffect, useState } from 'react';
import { exactTime } from '../format';
import { useConnection } from '../live';
import { signOut, useSession } from '../session';
import { Elapsed } from '../ui/Now';
import { Announcements } from './Announcements';
import { Logo } from './Logo';
import { Navigation } from './Navigation';
import { Palette } from './Palette';

/** Shell is what is around every page. */
export function Shell() {
  const [menu, { toggle, close }] = useDisclosure();
  const [searching, search] = useState(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const { project } = useParams({ strict: false });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the menu of small screens
  useEffect(close, [path]);
  useEffect(() => {
    if (project) localStorage.setItem('project', project);
  }, [project]);
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if ((event.key === 'k' && (event.metaKey || event.ctrlKey)) || (event.key === '/' && !typing)) {
        event.preventDefault();
        const field = event.key === '/' ? document.querySelector<HTMLInputElement>('input[type=search]') : null;
        if (field) field.focus();
        else search(true);
      }
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, []);
  return (
    <AppShell header={{ height: 52 }} navbar={{ width: 228, breakpoint: 'sm', collapsed: { mobile: !menu } }} padding="lg" layout="alt">
      <a href="#content" className="skip">
        Skip to content
      </a>
      <AppShell.Header style={{ background: 'var(--canopy-ground)', borderColor: 'var(--canopy-line)' }}>
        <Group h="100%" px="lg" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap" style={{ flex: 1 }}>
            <Burger opened={menu} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" />
            <UnstyledButton
              onClick={() => search(true)}
              className="card"
              style={{ display: 'flex', alignItems: 'center', gap: 8, padding: '5px 10px', width: 320, maxWidth: '100%', borderRadius: 6 }}
            >
              <Search size={14} color="var(--mantine-color-dimmed)" />
              <Text size="sm" c="dimmed" style={{ flex: 1 }} truncate>
                Go to a cluster, project or page
              </Text>
              <Text size="xs" c="dimmed" component="kbd" className="mono" visibleFrom="xs">
                Ctrl K
              </Text>
            </UnstyledButton>
          </Group>
          <Group gap={6} wrap="nowrap">
            <ConnectionIndicator />
            <SchemeSwitch />
            <Account />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" style={{ background: 'var(--canopy-surface)', borderColor: 'var(--canopy-line)', overflowY: 'auto' }}>
        <Group gap={10} px={10} py={6} mb={6} justify="space-between">
          <Group gap={10}>
            <Logo />
            <Text fw={650} size="lg">
              Canopy
            </Text>
          </Group>
          <Burger opened={menu} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Close navigation" />
        </Group>
        <Navigation />
      </AppShell.Navbar>
      <AppShell.Main id="content">
        <Announcements />
        <Outlet />
      </AppShell.Main>
      {searching && <Palette onClose={() => search(false)} />}
    </AppShell>
  );
}

/** ConnectionIndicator says whether what is seen is what there is. */
function ConnectionIndicator() {
  const connection = useConnection();
  const tone = connection.state === 'live' ? 'good' : connection.state === 'connecting' ? 'busy' : 'warn';
  const since = connection.state === 'lost' ? new Date(connection.since).toISOString() : '';
  return (
    <Tooltip
      label={
        connection.state === 'live'
          ? 'Everything on this page is kept up to date.'
          : connection.state === 'connecting'
            ? 'Connecting to the platform.'
            : `What you see was true at ${exactTime(since)}. The page tries to reach the platform and goes on by itself.`
      }
    >
      <div
        role="status"
        tabIndex={0}
        data-tone={tone}
        style={{ display: 'flex', alignItems: 'center', gap: 7, fontSize: 12, padding: '0 8px', whiteSpace: 'nowrap' }}
      >
        <span className="dot" data-busy={tone !== 'good' || undefined} />
        {connection.state === 'live' && (
          <Text size="xs" c="dimmed">
            Live
          </Text>
        )}
        {connection.state === 'connecting' && <span className="tone">Connecting</span>}
        {connection.state === 'lost' && (
          <span className="tone">
            Reconnecting · stale for <Elapsed since={since} />
          </span>
        )}
      </div>
    </Tooltip>
  );
}

function SchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  const other = scheme === 'dark' ? 'light' : 'dark';
  return (
    <Tooltip label={`Use ${other} colours`}>
      <ActionIcon variant="subtle" color="gray" onClick={() => setColorScheme(other)} aria-label={`Use ${other} colours`}>
        {scheme === 'dark' ? <Sun size={17} /> : <Moon size={17} />}
      </ActionIcon>
    </Tooltip>
  );
}

function Account() {
  const session = useSession();
  if (session.kind !== 'signedIn' && session.kind !== 'expired') return null;
  return (
    <Menu position="bottom-end" width={260}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label="Account">
          <UserRound size={17} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label className="wrap">{session.session.user}</Menu.Label>
        <Menu.Item component="a" href="/docs" leftSection={<BookOpen size={14} />}>
          API documentation
        </Menu.Item>
        <Menu.Item onClick={() => void signOut()} leftSection={<LogOut size={14} />}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
