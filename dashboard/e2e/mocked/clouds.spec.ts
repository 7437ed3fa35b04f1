// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '../fixtures';

test('machines of a cloud have its sizes, and what they take of the quota', async ({ page, fake }) => {
  await page.goto('/projects/shop/clusters/new');
  await page.getByRole('button', { name: /^frankfurt-aws on the map/ }).click();
  await expect(page.getByRole('radio', { name: /^frankfurt-aws/ })).toBeChecked();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Name').fill('cloudy');
  await expect(page.getByRole('combobox', { name: 'Preset' })).toHaveValue('aws-central'); // the only one of this provider
  await page.getByRole('button', { name: 'Advanced settings' }).click();
  await page.getByRole('switch', { name: 'Cloud network' }).check({ force: true });
  await page.getByRole('combobox', { name: 'Network', exact: true }).click();
  await page.getByRole('option', { name: 'vpc-0a1b2c' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByText('Quota of the project')).toBeVisible();
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByText('This is needed.')).toBeVisible();
  await page.getByRole('combobox', { name: 'Size' }).click();
  await page.getByRole('option', { name: 't3.large · 2 CPU, 8 GiB · 0.096 USD/h' }).click();
  await page.getByLabel('Machines').fill('2');
  await expect(page.getByText(/ \+ 4 of 160$/)).toBeVisible();
  await page.getByRole('switch', { name: 'Spot' }).check({ force: true });
  await page.getByLabel('Max price').fill('0.05');
  await page.getByLabel('Disk (GiB)').fill('80');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByText('2 × t3.large, spot')).toBeVisible();
  await page.getByRole('tab', { name: 'Terraform' }).click();
  await expect(page.getByRole('region', { name: 'Terraform' })).toContainText('instance_type = "t3.large"');
  await page.getByRole('button', { name: 'Create cluster' }).click();
  await expect(page.getByRole('heading', { name: 'cloudy', level: 1, exact: true })).toBeVisible();
  expect(fake.requests[0]?.body.spec).toMatchObject({ preset: 'aws-central', cloudNetwork: { network: 'vpc-0a1b2c' } });
  expect(fake.requests[1]?.body.spec.provider).toEqual({ aws: { instanceType: 't3.large', diskGiB: 80, spot: { maxPrice: '0.05' } } });
});

test('a cloud that does not say what it sells keeps nobody from making machines', async ({ page, fake }) => {
  fake.offers = {};
  await page.goto('/projects/shop/clusters/new');
  await page.getByRole('radio', { name: /^singapore-hetzner/ }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Name').fill('cloudy');
  await expect(page.getByRole('combobox', { name: 'Preset' })).toHaveValue('hetzner');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByText(/could not be asked what there is: the token has been revoked/)).toBeVisible();
  await page.getByLabel('Size').fill('cx23');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByText('1 × cx23')).toBeVisible();
});
