// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { mkdirSync } from 'node:fs';
import { test } from './fixtures';

const folder = process.env.SCREENSHOTS ?? '/tmp/canopy-screenshots';

const pages: Record<string, string> = {
  home: '/',
  clusters: '/clusters',
  project: '/projects/shop',
  'project-clusters': '/projects/shop/clusters',
  'cluster-ready': '/projects/shop/clusters/shop-prod',
  'cluster-creating': '/projects/shop/clusters/shop-new',
  'cluster-nodes': '/projects/shop/clusters/shop-staging/nodes',
  'cluster-controlplane': '/projects/shop/clusters/shop-new/controlplane',
  'cluster-charts': '/projects/shop/clusters/shop-prod/charts',
  'cluster-terminal': '/projects/shop/clusters/shop-prod/terminal',
  'cluster-events': '/projects/shop/clusters/shop-staging/events',
  'cluster-access': '/projects/shop/clusters/shop-prod/access',
  'cluster-yaml': '/projects/shop/clusters/shop-prod/yaml',
  'cluster-unknown': '/projects/shop/clusters/warehouse',
  'cluster-quota': '/projects/payments/clusters/ledger-load',
  'wizard-1': '/projects/shop/clusters/new',
  'wizard-2': '/projects/shop/clusters/new?step=1',
  'wizard-3': '/projects/shop/clusters/new?step=2',
  'wizard-4': '/projects/shop/clusters/new?step=3',
  'wizard-cloud': '/projects/payments/clusters/new?step=2',
  members: '/projects/shop/members',
  serviceaccounts: '/projects/shop/serviceaccounts',
  sshkeys: '/projects/shop/sshkeys',
  presets: '/projects/shop/presets',
  templates: '/projects/shop/templates',
  clustersets: '/projects/shop/clustersets',
  clusterset: '/projects/shop/clustersets/shops',
  audit: '/projects/shop/audit',
  settings: '/projects/shop/settings',
  fleet: '/admin',
  seeds: '/admin/seeds',
  datacenters: '/admin/datacenters',
  'admin-presets': '/admin/presets',
  releases: '/admin/releases',
  users: '/admin/users',
  announcements: '/admin/announcements',
  'admin-settings': '/admin/settings',
  'not-found': '/nowhere',
};

const draft = {
  name: 'orders',
  spec: { datacenter: 'frankfurt', version: '1.37.2', sshKeys: ['ada'] },
  pools: [{ name: '', replicas: 3, machine: { local: { resources: { requests: { cpu: '2', memory: '4Gi' } } } } }],
};

const cloud = {
  name: 'ledger',
  spec: { datacenter: 'frankfurt-aws', version: '1.37.2', preset: 'aws-central' },
  pools: [{ name: '', replicas: 3, machine: { aws: { instanceType: 't3.large', spot: { maxPrice: '0.05' } } } }],
};

for (const scheme of ['light', 'dark'] as const) {
  test(`every page, ${scheme}`, async ({ page, fake }) => {
    mkdirSync(folder, { recursive: true });
    await page.emulateMedia({ colorScheme: scheme });
    const shot = (name: string) => page.screenshot({ path: `${folder}/${name}-${scheme}.png` });
    fake.signedIn = false;
    await page.goto('/');
    await page.getByRole('link', { name: /Continue/ }).waitFor();
    await shot('sign-in');
    fake.signedIn = true;
    await page.addInitScript((text) => sessionStorage.setItem('cluster-draft/shop', text), JSON.stringify(draft));
    await page.addInitScript((text) => sessionStorage.setItem('cluster-draft/payments', text), JSON.stringify(cloud));
    const only = process.env.ONLY?.split(',');
    for (const [name, path] of Object.entries(pages)) {
      if (only && !only.includes(name)) continue;
      await page.goto(path);
      await page.getByText('Live', { exact: true }).waitFor();
      await page.waitForTimeout(250); // pictures of what has come to rest
      await shot(name);
    }
    if (only && !only.includes('form')) return;
    await page.goto('/admin/datacenters');
    await page.getByRole('button', { name: 'Actions for frankfurt-aws' }).click();
    await page.getByRole('menuitem', { name: 'Edit' }).click();
    await page.getByLabel('Region').waitFor();
    await page.waitForTimeout(400);
    await shot('form');
  });
}
