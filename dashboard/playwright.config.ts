// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { defineConfig } from '@playwright/test';

// mocked: a build of the dashboard in front of a platform that exists only in memory. real: one journey on a platform that
// runs (CANOPY_URL, CANOPY_USER, CANOPY_PASSWORD). screenshots: pictures of every page, for docs/images and for the eye.
// bench: how fast pages are with 2,000 clusters; it has no opinion.
export default defineConfig({
  testDir: 'e2e',
  outputDir: process.env.PLAYWRIGHT_OUTPUT ?? '/tmp/canopy-dashboard-tests',
  workers: 2,
  fullyParallel: true,
  forbidOnly: true,
  reporter: 'list',
  timeout: 60_000,
  expect: { timeout: 15_000 },
  use: {
    viewport: { width: 1360, height: 860 },
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu'], // inside a container, as root
    },
  },
  projects: [
    { name: 'mocked', testMatch: /mocked\/.*\.spec\.ts/ },
    { name: 'real', testMatch: /real\.spec\.ts/, timeout: 1_500_000, use: { ignoreHTTPSErrors: true } },
    { name: 'bench', testMatch: /bench\.spec\.ts/ },
    { name: 'screenshots', testMatch: /screenshots\.spec\.ts/, timeout: 120_000 },
  ],
});
