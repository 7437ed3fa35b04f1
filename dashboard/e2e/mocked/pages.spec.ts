// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Every page: it shows what it is for, and nothing that keeps somebody out.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, test } from '../fixtures';

const pages: [string, string][] = [
  ['/', 'Needs attention'],
  ['/clusters', 'legacy-orders'],
  ['/projects/shop', 'Recent changes'],
  ['/projects/shop/clusters/shop-new', 'etcd: waiting for its volume'],
  ['/projects/shop/clusters/shop-staging/nodes', 'containerd is installed, kubelet is not running yet'],
  ['/projects/shop/clusters/shop-new/controlplane', 'waits for etcd'],
  ['/projects/shop/clusters/shop-staging/events?type=Warning', 'MachineFailed'],
  ['/projects/shop/clusters/shop-prod/charts', 'etcd fsync'],
  ['/projects/shop/clusters/shop-prod/terminal', 'A shell in this cluster'],
  ['/projects/shop/clusters/shop-prod/access', 'canopy kubeconfig shop-prod'],
  ['/projects/shop/clusters/shop-prod/yaml', 'canopy.dev/v1alpha1'],
  ['/projects/shop/clusters/new', 'frankfurt-aws'],
  ['/projects/shop/clusters/new?step=1', 'Encrypt Secrets'],
  ['/projects/shop/clusters/new?step=2', 'Quota of the project'],
  ['/projects/shop/clusters/new?step=3', 'The same, elsewhere'],
  ['/projects/shop/members', 'grace@example.com'],
  ['/projects/shop/serviceaccounts', 'pipeline'],
  ['/projects/shop/sshkeys', 'SHA256:'],
  ['/projects/shop/presets', 'aws-central'],
  ['/projects/shop/templates', 'patches on Sunday nights'],
  ['/projects/shop/clustersets', 'waits for approval'],
  ['/projects/shop/clustersets/shops', 'kubectl-edit'],
  ['/projects/shop/audit', 'ERR_FORBIDDEN'],
  ['/projects/shop/settings', 'Save quota'],
  ['/admin', 'Why clusters are not ready'],
  ['/admin/seeds', 'Unreachable'],
  ['/admin/datacenters', 'Hetzner'],
  ['/admin/presets', 'preset-hetzner'],
  ['/admin/releases', 'etcd loses a watch'],
  ['/admin/users', 'Sees everything'],
  ['/admin/announcements', 'gets new disks'],
  ['/admin/settings', 'Who looks after it'],
  ['/nowhere', 'There is no such page'],
];

/** check asks axe; in the second theme only what colours can do wrong. What is around pages is looked at once. */
function check(page: Page, scheme: string, all: boolean) {
  // Without frames, axe needs no page of its own to sum up.
  const axe = new AxeBuilder({ page }).setLegacyMode();
  const of = all ? axe : axe.include('main');
  return (scheme === 'light' ? of.withTags(['wcag2a', 'wcag2aa', 'wcag21aa']) : of.withRules(['color-contrast'])).analyze();
}

for (const scheme of ['light', 'dark'] as const) {
  test.describe(scheme, () => {
    test.use({ colorScheme: scheme });
    for (const part of [0, 1]) {
      test(`pages for everybody, part ${part + 1}`, async ({ page }) => {
        test.setTimeout(300_000); // axe looks at everything: on a machine that is busy elsewhere that takes its time
        // One load, then links: as somebody would, and faster.
        await page.goto('/');
        for (const [path, text] of pages.filter((_, i) => i % 2 === part)) {
          await page.evaluate((to) => {
            history.pushState({}, '', to);
            dispatchEvent(new PopStateEvent('popstate'));
          }, path);
          await expect(page.getByRole('main').getByText(text).first()).toBeVisible();
          const look = async () => {
            await expect(page.locator('[data-stale]')).toHaveCount(0); // until what the page before has read is replaced, it is pale
            const found = await check(page, scheme, path === '/' || path === '/clusters');
            return found.violations.map(
              (v) =>
                `${path}: ${v.id}: ${v.nodes
                  .map((node) => node.html)
                  .join(' ')
                  .slice(0, 300)}`,
            );
          };
          // What was read anew while axe looked was pale, and is not the second time.
          const wrong = await look();
          expect.soft(wrong.length > 0 ? await look() : wrong).toEqual([]);
        }
      });
    }
  });
}

test('who is not signed in is asked to, and comes back to where the link led', async ({ page, fake }) => {
  fake.signedIn = false;
  await page.goto('/projects/shop/members');
  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations.map((v) => v.id)).toEqual([]);
  await page.getByRole('link', { name: 'Continue with canopy' }).click();
  await expect(page.getByRole('heading', { name: 'Members', level: 1, exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Account' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in to Canopy', level: 1, exact: true })).toBeVisible();
});
