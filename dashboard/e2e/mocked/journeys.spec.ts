// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Page } from '@playwright/test';
import { expect, test } from '../fixtures';

const frankfurt = (page: Page) => page.getByRole('radio', { name: /^frankfurt Frankfurt|^frankfurt DE/ }).first();

test('a cluster is created in the wizard, and becomes ready while one looks', async ({ page, fake }) => {
  await page.goto('/projects/shop/clusters');
  await page.getByRole('link', { name: 'Create cluster' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByText('Choose where the machines are.')).toBeVisible();
  await frankfurt(page).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Name').fill('shop-prod');
  await page.getByRole('switch', { name: 'Encrypt Secrets in etcd' }).check({ force: true });
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Machines').fill('2');
  await page.getByRole('radio', { name: /^Large/ }).click();
  await expect(page.getByText('54 + 2 of 60')).toBeVisible();
  await page.getByRole('button', { name: 'Continue' }).click();

  // What the server says before anything is made is on its field.
  await expect(page.getByText('there is a Cluster shop-prod already')).toBeVisible();
  await page.reload(); // the draft survives
  await page
    .getByRole('button', { name: 'Step Cluster' })
    .or(page.getByRole('button', { name: /Cluster$/ }))
    .first()
    .click();
  await expect(page.getByLabel('Name')).toHaveValue('shop-prod');
  await page.getByLabel('Name').fill('orders');

  // The same as YAML, and back.
  await page.getByText('YAML', { exact: true }).click();
  const yaml = page.getByLabel('YAML of the cluster and its pools');
  await expect(yaml).toHaveValue(/name: orders-workers/);
  await yaml.fill((await yaml.inputValue()).replace('replicas: 2', 'replicas: 3'));
  await page.getByRole('button', { name: 'Review' }).click();
  await expect(page.getByText('3 × 4 CPU, 8 GiB')).toBeVisible();
  await expect(page.getByText('it can be created')).toBeVisible();
  await page.getByRole('button', { name: 'Create cluster' }).click();

  await expect(page.getByRole('heading', { name: 'orders', level: 1, exact: true })).toBeVisible();
  await expect(page.getByRole('region', { name: 'What is going on' })).toContainText('Ready: the API answers');
  expect(fake.requests.map((request) => request.path)).toEqual([
    '/api/v1/projects/shop/clusters',
    '/api/v1/projects/shop/clusters/orders/nodepools',
  ]);
  expect(fake.requests[0]?.body.spec).toMatchObject({ datacenter: 'frankfurt', encryption: { enabled: true } });
});

test('a pool that is refused after its cluster was made can be corrected', async ({ page, fake }) => {
  const pools = '**/api/v1/projects/shop/clusters/orders/nodepools';
  await page.route(pools, (route) =>
    route.fulfill({
      status: 422,
      contentType: 'application/problem+json',
      body: JSON.stringify({
        code: 'ERR_VALIDATION',
        title: 'The request is wrong',
        status: 422,
        errors: [{ location: 'body.spec.replicas', message: 'are more than the quota has' }],
      }),
    }),
  );
  await page.goto('/projects/shop/clusters/new');
  await frankfurt(page).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Name').fill('orders');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Machines').fill('9');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('button', { name: 'Create cluster' }).click();
  await expect(page.getByText('The cluster is there, without all of its pools.')).toBeVisible();
  await page.getByRole('button', { name: 'Back' }).click();
  await expect(page.getByText('are more than the quota has')).toBeVisible();
  await page.getByLabel('Machines').fill('2');
  await expect(page.getByText('are more than the quota has')).toBeHidden();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.unroute(pools);
  await page.getByRole('button', { name: 'Create pools' }).click();
  await expect(page.getByRole('heading', { name: 'orders', level: 1, exact: true })).toBeVisible();
  expect(fake.requests.map((request) => request.path)).toEqual([
    '/api/v1/projects/shop/clusters',
    '/api/v1/projects/shop/clusters/orders/nodepools',
  ]);
});

test('a session that ends in the middle of a form loses nothing', async ({ page, fake, context }) => {
  await page.goto('/projects/shop/sshkeys');
  await page.getByRole('button', { name: 'Add key' }).click();
  await page.getByLabel('Name').fill('grace');
  await page.getByLabel('Public key').fill('ssh-ed25519 AAAA grace@laptop');
  fake.signedIn = false;
  await page.getByRole('dialog').getByRole('button', { name: 'Add key' }).click();
  const popup = context.waitForEvent('page');
  await page.getByRole('link', { name: 'Sign in with canopy' }).click();
  await popup;
  await expect(page.getByText('grace', { exact: true })).toBeVisible();
  await expect(page.getByText('Your session has ended')).toBeHidden();
  expect(fake.data.sshkeys.map((key) => key.metadata?.name)).toEqual(['ada', 'grace']);
});

test('a lost connection says since when what is seen is stale, and nothing is lost', async ({ page, fake }) => {
  await page.goto('/projects/shop/clusters/shop-new');
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  await page.route('**/api/v1/watch*', (route) => route.abort());
  fake.dropStreams();
  await expect(page.getByText(/stale for/)).toBeVisible();
  const cluster = fake.data.clusters.find((c) => c.metadata?.name === 'shop-new')!;
  cluster.status!.conditions![0] = {
    type: 'Ready',
    status: 'True',
    reason: 'Ready',
    message: '',
    lastTransitionTime: new Date().toISOString(),
  };
  await page.unroute('**/api/v1/watch*');
  await expect(page.getByText('Live', { exact: true })).toBeVisible({ timeout: 10_000 });
  await expect(page.getByRole('region', { name: 'What is going on' })).toContainText('Ready: the API answers');
});

test('a change is on the screen at once, also that a cluster was deleted by somebody else', async ({ page, fake }) => {
  await page.goto('/projects/shop/clusters/shop-new');
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  await expect(page.getByText('Creating: etcd: waiting for its volume.')).toBeVisible(); // what was asked for before has come
  const cluster = fake.data.clusters.find((c) => c.metadata?.name === 'shop-new')!;
  cluster.status!.conditions![0]!.message = 'etcd: 1 of 1 members is there';
  fake.emit('modified', 'Cluster', cluster);
  await expect(page.getByText('Creating: etcd: 1 of 1 members is there.')).toBeVisible();
  fake.data.clusters = fake.data.clusters.filter((c) => c !== cluster);
  fake.emit('deleted', 'Cluster', cluster);
  await expect(page.getByText('This cluster has been deleted')).toBeVisible();
});

test('a pool is scaled, a cluster upgraded, and deleted by its name', async ({ page, fake }) => {
  await page.goto('/projects/shop/clusters/shop-prod/nodes');
  await page.getByRole('button', { name: 'Scale shop-prod-workers up' }).click();
  await expect(page.getByText('3 of 4 ready')).toBeVisible();
  await page.getByRole('button', { name: 'More about shop-prod-workers' }).click();
  await page.getByRole('menuitem', { name: 'Size' }).click();
  const size = page.getByRole('dialog');
  await size.getByText('As many as pods ask for').click();
  await size.getByLabel('At least').fill('2');
  await size.getByLabel('At most').fill('9');
  await size.getByRole('button', { name: 'Set size' }).click();
  await expect(page.getByText('2 to 9, as pods ask')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Scale shop-prod-workers up' })).toBeDisabled();
  await page.getByRole('button', { name: 'Upgrade' }).click();
  await page.getByRole('button', { name: 'Upgrade to 1.37.2' }).click();
  await expect(page.getByRole('dialog')).toBeHidden();
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Delete cluster' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('1 node pool with 3 machines');
  await expect(dialog.getByRole('button', { name: 'Delete cluster' })).toBeDisabled();
  await dialog.getByRole('textbox').fill('shop-prod');
  await dialog.getByRole('button', { name: 'Delete cluster' }).click();
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'shop-prod', exact: true }) });
  await expect(row).toContainText('Deleting');
  expect(fake.requests.map((request) => [request.method, request.body?.spec])).toEqual([
    ['PATCH', { replicas: 4 }],
    ['PATCH', { autoscaling: { minReplicas: 2, maxReplicas: 9 } }],
    ['PATCH', { version: '1.37.2' }],
    ['DELETE', undefined],
  ]);
});

test('a viewer is told why not', async ({ page, fake }) => {
  fake.data.self = { ...fake.data.self, admin: false, globalViewer: false, projects: [{ name: 'shop', roles: ['Viewer'] }] };
  await page.goto('/projects/shop/clusters/shop-prod/nodes');
  await expect(page.getByRole('button', { name: 'Add pool' })).toBeDisabled();
  await page.getByRole('button', { name: 'More actions' }).click();
  await expect(page.getByText('You are Viewer in this project. This needs an Editor or an Owner.')).toBeVisible();
  await expect(page.getByText('Seeds')).toBeHidden();
});

test('a seed that is down takes nothing else with it', async ({ page }) => {
  await page.goto('/projects/shop/clusters/warehouse/nodes');
  await expect(page.getByText(/Seed nyc-1 could not be asked/)).toBeVisible();
  await page.getByRole('link', { name: 'Overview' }).last().click();
  await expect(page.getByRole('region', { name: 'What is going on' })).toContainText('Not known');
});

test('names and labels with script in them are text', async ({ page, fake }) => {
  const cluster = fake.data.clusters.find((c) => c.metadata?.name === 'shop-staging')!;
  cluster.status!.conditions![0]!.message = '<img src=x onerror="document.title=1"><script>alert(1)</script>';
  fake.data.projects[0]!.spec!.displayName = '<b onclick=alert(1)>Shop</b>';
  await page.goto('/projects/shop/clusters/shop-staging');
  await expect(page.getByText('<script>alert(1)</script>').first()).toBeVisible();
  await page.goto('/');
  await expect(page.getByText('<b onclick=alert(1)>Shop</b>').first()).toBeVisible();
});

test.describe('two thousand clusters', () => {
  test.use({ size: 2000 });
  test('are paged by the server, with filters in the address', async ({ page }) => {
    await page.goto('/clusters');
    await expect(page.getByText('1–50 of 2,000')).toBeVisible();
    await page.getByRole('button', { name: 'Next' }).click();
    await expect(page.getByText('51–100 of 2,000')).toBeVisible();
    await page.getByRole('button', { name: 'Previous' }).click();
    await expect(page.getByText('1–50 of 2,000')).toBeVisible();
    await page.keyboard.press('/');
    await page.keyboard.type('ledger-lo');
    await expect(page).toHaveURL(/search=ledger-lo/);
    await expect(page.getByRole('link', { name: 'ledger-load', exact: true }).first()).toBeVisible();
    await page.reload();
    await expect(page.getByRole('searchbox')).toHaveValue('ledger-lo');
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Go to' }).fill('warehouse');
    await expect(page.getByRole('option', { name: /warehouse/ })).toBeVisible();
    await page.keyboard.press('Enter');
    await expect(page.getByRole('heading', { name: 'warehouse', level: 1, exact: true })).toBeVisible();
  });
});
