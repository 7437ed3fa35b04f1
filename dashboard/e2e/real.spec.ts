// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// One journey on a platform that runs: a person signs in, makes a project and a cluster, watches it come to be, scales it, and takes
// everything away again.
import { expect, type Page, test } from '@playwright/test';

const url = process.env.CANOPY_URL ?? '';
const user = process.env.CANOPY_USER ?? '';
const password = process.env.CANOPY_PASSWORD ?? '';
const project = 'e2e-dashboard';

/** minutes is how long something of the platform may take; it is no measure, only an end. */
const minutes = (n: number) => ({ timeout: n * 60_000 });

async function confirm(page: Page, name: string, button: string) {
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox').fill(name);
  await dialog.getByRole('button', { name: button }).click();
  await expect(dialog).toBeHidden();
}

test('from signing in to a cluster with two nodes, and back to nothing', async ({ page }) => {
  await page.goto(url);
  await page.getByRole('link', { name: /^Continue with/ }).click();
  await page.getByLabel('E-mail address').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByText('Live', { exact: true })).toBeVisible();

  await page.getByRole('button', { name: 'Create project' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill(project);
  await page.getByRole('dialog').getByRole('button', { name: 'Create project' }).click();
  await expect(page.getByText('First steps')).toBeVisible(minutes(1));

  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Members' }).click();
  await page.getByRole('button', { name: 'Add member' }).first().click();
  await page.getByLabel('E-mail').fill('colleague@example.com');
  await page.getByRole('dialog').getByRole('button', { name: 'Add member' }).click();
  await expect(page.getByText('colleague@example.com')).toBeVisible();

  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Clusters', exact: true }).click();
  await page.getByRole('link', { name: 'Create cluster' }).first().click();
  await page.getByRole('radio', { name: /^local/ }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Name').fill('journey');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('radio', { name: /^Small/ }).click();
  await page.getByLabel('CPU').fill('200m');
  await page.getByLabel('Memory').fill('768Mi');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByText('it can be created')).toBeVisible();
  await page.getByRole('button', { name: 'Create cluster' }).click();
  const now = page.getByRole('region', { name: 'What is going on' });
  await expect(now).toContainText('Ready: the API answers, and 1 node is there.', minutes(6));

  await page.getByRole('navigation', { name: 'Cluster' }).getByRole('link', { name: 'Nodes' }).click();
  await page.getByRole('button', { name: 'Scale journey-workers up' }).click();
  await expect(page.getByText('2 of 2 ready')).toBeVisible(minutes(4));

  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Delete cluster' }).click();
  await confirm(page, 'journey', 'Delete cluster');
  await expect(page.getByText('No clusters yet')).toBeVisible(minutes(4));

  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Delete project' }).click();
  await confirm(page, project, 'Delete project');
  await expect(page.getByRole('heading', { name: 'Home' })).toBeVisible();
});
