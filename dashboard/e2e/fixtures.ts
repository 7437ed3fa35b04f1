// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { join } from 'node:path';
import { test as base } from '@playwright/test';
import { Fake } from './fake/server';

/** test gives each test a platform of its own, and fails it when the page says something is wrong on its console. */
export const test = base.extend<{ fake: Fake; size: number; complaints: string[] }>({
  size: [48, { option: true }],
  fake: async ({ size }, use) => {
    const fake = new Fake(size);
    await use(fake);
    fake.close();
  },
  baseURL: async ({ fake }, use) => {
    await use(await fake.listen(join(import.meta.dirname, '..', 'dist')));
  },
  complaints: [
    async ({ page }, use) => {
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (message) => {
        // Answers that say no are part of what is tested; what the policy or React says is not.
        if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
      });
      await use(complaints);
      base.expect(complaints).toEqual([]);
    },
    { auto: true },
  ],
});

export const expect = base.expect;
