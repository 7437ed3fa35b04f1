// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// One journey on a platform that runs: a person signs in, makes a project and a cluster with a key, watches it come to be, opens a shell
// in it, scales and upgrades it, shows it to somebody who may look only, and takes everything away again.
import { expect, type Page, test } from '@playwright/test';

const url = process.env.CANOPY_URL ?? '';
const user = process.env.CANOPY_USER ?? '';
const password = process.env.CANOPY_PASSWORD ?? '';
const viewer = process.env.CANOPY_VIEWER ?? '';
const viewerPassword = process.env.CANOPY_VIEWER_PASSWORD ?? '';
const project = 'e2e-dashboard';
const publicKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIp36MmgNUCoF2KGDMP4Qhiao+AALxGXr5yvBsUrfTbR journey';

/** minutes is how long something of the platform may take; it is no measure, only an end. */
const minutes = (n: number) => ({ timeout: n * 60_000 });

async function confirm(page: Page, name: string, button: string) {
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox').fill(name);
  await dialog.getByRole('button', { name: button }).click();
  await expect(dialog).toBeHidden();
}

async function signIn(page: Page, name: string, secret: string) {
  await page.goto(url);
  await page.getByRole('link', { name: /^Continue with/ }).click();
  await page.getByLabel('E-mail address').fill(name);
  await page.getByLabel('Password').fill(secret);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
}

/** visit goes to a page of the project, or of the cluster. */
async function visit(page: Page, of: 'Main' | 'Cluster', name: string) {
  await page.getByRole('navigation', { name: of }).getByRole('link', { name, exact: true }).first().click();
}

/** shell opens a terminal in the cluster, and asks it for nodes. */
async function shell(page: Page) {
  await visit(page, 'Cluster', 'Terminal');
  await page.getByRole('button', { name: 'Open terminal' }).click();
  await expect(page.getByText('Connected', { exact: true })).toBeVisible(minutes(3));
  await page.keyboard.type('kubectl get nodes --no-headers\n');
  await expect(page.locator('.xterm-accessibility')).toContainText(/journey-workers-\S+\s+Ready/, minutes(1));
}

/** look is what a viewer sees: the cluster, and why nothing can be done with it. */
async function look(page: Page) {
  await signIn(page, viewer, viewerPassword);
  await page.goto(`${url}/projects/${project}/clusters/journey/nodes`);
  await expect(page.getByRole('button', { name: 'Add pool' })).toBeDisabled(minutes(1));
  await page.getByRole('button', { name: 'More actions' }).click();
  await expect(page.getByText('You are Viewer in this project.', { exact: false })).toBeVisible();
  await expect(page.getByRole('menuitem', { name: 'Delete cluster' })).toBeDisabled();
  await page.keyboard.press('Escape');
  await visit(page, 'Cluster', 'Terminal');
  await expect(page.getByRole('button', { name: 'Open terminal' })).toBeDisabled();
  await expect(page.getByRole('link', { name: 'Fleet' })).toBeHidden();
}

async function addMember(page: Page, email: string, role: string) {
  await page.getByRole('button', { name: 'Add member' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('E-mail').fill(email);
  await dialog.getByRole('combobox', { name: 'Role' }).click();
  await page.getByRole('option', { name: role }).click();
  await dialog.getByRole('button', { name: 'Add member' }).click();
  await expect(page.getByText(email)).toBeVisible();
}

test('from signing in to a cluster with two nodes, and back to nothing', async ({ page, browser }) => {
  await signIn(page, user, password);

  await page.getByRole('button', { name: 'Create project' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill(project);
  await page.getByRole('dialog').getByRole('button', { name: 'Create project' }).click();
  await expect(page.getByText('First steps')).toBeVisible(minutes(1));

  await visit(page, 'Main', 'Members');
  await addMember(page, viewer, 'Viewer');

  await visit(page, 'Main', 'SSH keys');
  await page.getByRole('button', { name: 'Add key' }).first().click();
  await page.getByLabel('Name').fill('journey');
  await page.getByLabel('Public key').fill(publicKey);
  await page.getByRole('dialog').getByRole('button', { name: 'Add key' }).click();
  await expect(page.getByText(/^SHA256:/)).toBeVisible(minutes(1));

  await visit(page, 'Main', 'Clusters');
  await page.getByRole('link', { name: 'Create cluster' }).first().click();
  await page.getByRole('radio', { name: /^local this/ }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Name').fill('journey');
  // The newest but one minor, so that there is something to upgrade to.
  await page.getByRole('combobox', { name: 'Kubernetes' }).click();
  await page
    .getByRole('option', { name: /^1\.36\./ })
    .first()
    .click();
  await page.getByRole('combobox', { name: 'SSH keys' }).click();
  await page.getByRole('option', { name: 'journey' }).click();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('radio', { name: /^Small/ }).click();
  await page.getByLabel('CPU').fill('200m');
  await page.getByLabel('Memory').fill('768Mi');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByText('it can be created')).toBeVisible();
  await page.getByRole('button', { name: 'Create cluster' }).click();
  const now = page.getByRole('region', { name: 'What is going on' });
  await expect(now).toContainText('Ready: the API answers, and 1 node is there.', minutes(6));

  await shell(page);

  await page.getByRole('button', { name: 'Upgrade', exact: true }).click();
  await page.getByRole('button', { name: /^Upgrade to 1\.37\./ }).click();
  await expect(page.getByRole('dialog')).toBeHidden();
  await visit(page, 'Cluster', 'Nodes');
  await expect(page.getByRole('row', { name: /^journey-workers-.* Ready .*1\.37\./ })).toBeVisible(minutes(8));

  await page.getByRole('button', { name: 'Scale journey-workers up' }).click();
  await expect(page.getByText('2 of 2 ready')).toBeVisible(minutes(4));
  await visit(page, 'Cluster', 'Overview');
  await expect(now).toContainText('Ready: the API answers, and 2 nodes are there.', minutes(4));

  const others = await browser.newContext({ ignoreHTTPSErrors: true });
  await look(await others.newPage());
  await others.close();

  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Delete cluster' }).click();
  await confirm(page, 'journey', 'Delete cluster');
  await expect(page.getByText('No clusters yet')).toBeVisible(minutes(4));

  await visit(page, 'Main', 'Settings');
  await page.getByRole('button', { name: 'Delete project' }).click();
  await confirm(page, project, 'Delete project');
  await expect(page.getByRole('heading', { name: 'Home', level: 1, exact: true })).toBeVisible();
});
