// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Anchor, Breadcrumbs, Group, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useEffect } from 'react';

export interface Crumb {
  label: string;
  to: string;
}

/** Page is the frame of every page: where it is, what it is called, what can be done. */
export function Page({
  title,
  sub,
  crumbs,
  actions,
  children,
  aside,
}: {
  title: string;
  sub?: ReactNode;
  crumbs?: Crumb[];
  actions?: ReactNode;
  aside?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Canopy`;
  }, [title]);
  return (
    <div style={{ maxWidth: 1320, margin: '0 auto' }}>
      {crumbs && (
        <Breadcrumbs separatorMargin={6} mb={6}>
          {crumbs.map((crumb) => (
            <Anchor key={crumb.to} component={Link} to={crumb.to} size="xs" c="dimmed">
              {crumb.label}
            </Anchor>
          ))}
        </Breadcrumbs>
      )}
      <Group justify="space-between" align="flex-start" mb="md" gap="sm">
        <div style={{ minWidth: 0 }}>
          <Group gap="sm">
            <Title order={1} className="wrap">
              {title}
            </Title>
            {aside}
          </Group>
          {sub && (
            <Text c="dimmed" mt={2} component="div">
              {sub}
            </Text>
          )}
        </div>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </div>
  );
}

/** Section is a card with a heading. */
export function Section({
  title,
  sub,
  actions,
  children,
  flush,
}: {
  title: string;
  sub?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  flush?: boolean;
}) {
  return (
    <section className="card" style={{ marginBottom: 16 }}>
      <Group justify="space-between" px="md" pt={12} pb={flush ? 8 : 0}>
        <div>
          <Title order={2}>{title}</Title>
          {sub && (
            <Text size="sm" c="dimmed" component="div">
              {sub}
            </Text>
          )}
        </div>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      <div style={flush ? undefined : { padding: '10px 16px 16px' }}>{children}</div>
    </section>
  );
}

/** Facts is a list of names and values. */
export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name} style={{ display: 'contents' }}>
          <dt>{name}</dt>
          <dd className="wrap">{value ?? '–'}</dd>
        </div>
      ))}
    </dl>
  );
}
