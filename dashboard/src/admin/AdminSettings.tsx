// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Anchor, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { api } from '../api';
import { Copy } from '../ui/Copy';
import { Facts, Page, Section } from '../ui/Page';
import { ResourceTable } from '../ui/ResourceTable';

/** AdminSettings is how the platform is set up, and where each part of that is changed. */
export function AdminSettings() {
  const version = api.useQuery('get', '/api/v1/version');
  const releases = api.useQuery('get', '/api/v1/releases', { params: { query: { pageSize: 200 } } });
  const users = api.useQuery('get', '/api/v1/users', { params: { query: { pageSize: 500 } } });
  const recommended = releases.data?.items.find((release) => release.spec?.default)?.metadata?.name;
  const named = (of: 'admin' | 'globalViewer') =>
    (users.data?.items ?? [])
      .filter((user) => user.spec[of])
      .map((user) => user.spec.email)
      .join(', ') || 'nobody';
  return (
    <Page title="Settings" sub="How this platform is set up, and where that is changed." crumbs={[{ label: 'Platform', to: '/admin' }]}>
      <Section title="Installation">
        <Facts
          facts={[
            ['Version', version.data?.version],
            ['API', version.data?.api],
            [
              'Address',
              <span key="a">
                <span className="mono">{location.origin}</span> <Copy text={location.origin} what="address" />
              </span>,
            ],
            [
              'Documents',
              <span key="d">
                <Anchor href="/docs" size="sm">
                  for people
                </Anchor>
                ,{' '}
                <Anchor href="/openapi.json" size="sm">
                  for programs
                </Anchor>
              </span>,
            ],
          ]}
        />
      </Section>
      <SignIn />
      <Section title="Who looks after it">
        <Facts
          facts={[
            ['Administrators', named('admin')],
            ['See everything', named('globalViewer')],
            ['Changed under', <PageLink key="u" to="/admin/users" label="Users" />],
          ]}
        />
      </Section>
      <Section title="New clusters">
        <Facts
          facts={[
            ['Recommended version', recommended ?? 'none: everybody chooses'],
            ['Changed under', <PageLink key="r" to="/admin/releases" label="Releases" />],
          ]}
        />
      </Section>
      <SeedDefaults />
    </Page>
  );
}

function PageLink({ to, label }: { to: string; label: string }) {
  return (
    <Anchor component={Link} to={to} size="sm" underline="always">
      {label}
    </Anchor>
  );
}

function SignIn() {
  const logins = api.useQuery('get', '/api/v1/login');
  const items = logins.data?.issuers ?? [];
  return (
    <Section
      title="Sign-in"
      sub="Issuers of OpenID Connect that the API and all clusters trust. They are values of the chart, authentication.issuers; a change restarts nothing."
      flush
    >
      <ResourceTable
        label="Issuers"
        reading={{ ...logins, data: logins.data && { items } }}
        keyOf={(issuer) => issuer.name}
        empty={
          <Text c="dimmed" px="md" pb="md">
            There is none: only tokens of service accounts let anybody in.
          </Text>
        }
        columns={[
          { title: 'Name', cell: (issuer) => <b style={{ fontWeight: 550 }}>{issuer.name}</b> },
          { title: 'Address', cell: (issuer) => <span className="mono wrap">{issuer.issuer}</span> },
          { title: 'Browsers', cell: (issuer) => (issuer.browser ? 'yes' : 'no') },
        ]}
      />
    </Section>
  );
}

function SeedDefaults() {
  const seeds = api.useQuery('get', '/api/v1/seeds', { params: { query: { pageSize: 200 } } });
  return (
    <Section
      title="What clusters get where they do not say"
      sub={
        <>
          By the seed that they are on; changed under <PageLink to="/admin/seeds" label="Seeds" />.
        </>
      }
      flush
    >
      <ResourceTable
        label="Defaults of seeds"
        reading={seeds}
        keyOf={(seed) => seed.metadata?.name ?? ''}
        empty={
          <Text c="dimmed" px="md" pb="md">
            There is no seed.
          </Text>
        }
        columns={[
          { title: 'Seed', cell: (seed) => <b style={{ fontWeight: 550 }}>{seed.metadata?.name}</b> },
          { title: 'Exposed by', cell: (seed) => seed.spec?.defaults?.exposeStrategy ?? 'what its manager does' },
          { title: 'Volume of etcd', cell: (seed) => String(seed.spec?.defaults?.etcdStorage ?? 'what its manager does') },
          { title: 'Upgrades by themselves', cell: (seed) => `${seed.spec?.maxAutomaticUpgrades ?? 3} at the same time` },
          { title: 'Registry mirror', cell: (seed) => <span className="mono wrap">{seed.spec?.registryMirror ?? '–'}</span> },
        ]}
      />
    </Section>
  );
}
