// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '../fixtures';

test('a datacenter is added in a form, and what is refused is on its field', async ({ page, fake }) => {
  await page.goto('/admin/datacenters');
  await page.getByRole('button', { name: 'Add datacenter' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('dublin');
  await dialog.getByRole('combobox', { name: 'Seed' }).click();
  await page.getByRole('option', { name: 'fra-1' }).click();
  await dialog.getByRole('combobox', { name: 'Provider' }).click();
  await page.getByRole('option', { name: 'AWS' }).click();
  await dialog.getByLabel('Region').fill('dublin');
  await dialog.getByLabel('Country').fill('IE');
  const axe = new AxeBuilder({ page }).setLegacyMode().include('[role=dialog]').withTags(['wcag2a', 'wcag2aa', 'wcag21aa']);
  expect((await axe.analyze()).violations.map((found) => `${found.id}: ${found.nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByText('must be a region, such as eu-central-1')).toBeVisible();
  await dialog.getByLabel('Region').fill('eu-west-1');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('row', { name: /dublin/ })).toBeVisible();
  expect(fake.requests.at(-1)?.body).toMatchObject({
    metadata: { name: 'dublin' },
    spec: { seed: 'fra-1', country: 'IE', provider: { aws: { region: 'eu-west-1' } } },
  });
});

test('an announcement is above every page at once, until it is put away', async ({ page, fake }) => {
  fake.data.announcements = [];
  await page.goto('/admin/announcements');
  await page.getByRole('button', { name: 'Add announcement' }).first().click();
  await page.getByLabel('Name').fill('sunday');
  await page.getByLabel('Message').fill('No changes on Sunday.');
  await page.getByRole('button', { name: 'Save' }).click();
  const banner = page.getByRole('region', { name: 'Announcements', exact: true }).first();
  await expect(banner).toContainText('No changes on Sunday.');
  await page.getByRole('link', { name: 'Home' }).click();
  await expect(banner).toContainText('No changes on Sunday.');
  await banner.getByRole('button', { name: 'Put away' }).click();
  await expect(banner).toBeHidden();
});

test('what a template would change is approved for the revision that was seen', async ({ page, fake }) => {
  await page.goto('/projects/shop/clustersets');
  await page.getByRole('link', { name: 'shops' }).click();
  await expect(page.getByText('spec.version')).toBeVisible();
  await page.getByRole('button', { name: 'Approve and roll out' }).click();
  await expect(page.getByRole('region', { name: 'Plan' })).toBeHidden();
  expect(fake.requests.at(-1)?.body).toEqual({ spec: { rollout: { revision: '9a42' } } });
});

test('what clusters use is in the list, and the whole list can be saved', async ({ page, fake }) => {
  await page.goto('/clusters');
  await expect(page.getByTitle(/^CPU of its nodes: .* of 6 cores/).first()).toBeVisible();
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export CSV' }).click();
  const lines = readFileSync(await (await saved).path(), 'utf8')
    .trim()
    .split('\r\n');
  expect(lines).toHaveLength(fake.data.clusters.length + 1);
});

test('seeds are on the map, and what is refused is counted by its code', async ({ page }) => {
  await page.goto('/admin');
  await expect(page.getByText('ERR_FORBIDDEN')).toBeVisible();
  await page.getByRole('button', { name: /^nyc-1 on the map/ }).click();
  await expect(page.getByRole('heading', { name: 'Seeds', level: 1, exact: true })).toBeVisible();
});
