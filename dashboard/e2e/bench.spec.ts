// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// How fast pages are with 2,000 clusters, in numbers to read: nothing here can fail for being slow.
import { test } from './fixtures';

interface Seen {
  paint: number;
  tasks: { start: number; length: number }[];
}

declare global {
  interface Window {
    seen: Seen;
  }
}

test.use({ size: 2000 });

/** observe notes what the browser says of itself: the largest paint, and tasks that keep it from answering. */
function observe() {
  window.seen = { paint: 0, tasks: [] };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.seen.paint = entry.startTime;
  }).observe({ type: 'largest-contentful-paint', buffered: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.seen.tasks.push({ start: entry.startTime, length: entry.duration });
  }).observe({ type: 'longtask', buffered: true });
}

const pages: [string, string, string][] = [
  ['Home', '/', 'Needs attention'],
  ['All clusters', '/clusters', '1–50 of 2,000'],
  ['Cluster', '/projects/shop/clusters/shop-prod', 'Conditions'],
  ['Fleet', '/admin', 'Why clusters are not ready'],
];

test('pages with 2,000 clusters', async ({ page, fake }) => {
  await page.addInitScript(observe);
  const seen = () => page.evaluate(() => window.seen);
  const longest = (tasks: Seen['tasks']) => Math.round(Math.max(0, ...tasks.map((task) => task.length)));
  const lines: string[][] = [['', 'largest paint', 'long tasks', 'longest']];
  for (const [name, path, text] of pages) {
    await page.goto(path);
    await page.getByText(text).first().waitFor();
    await page.waitForTimeout(800); // what comes after the page is there counts, too
    const { paint, tasks } = await seen();
    lines.push([name, `${Math.round(paint)} ms`, String(tasks.length), `${longest(tasks)} ms`]);
  }

  await page.goto('/clusters');
  await page.getByText('1–50 of 2,000').waitFor();
  await page.waitForTimeout(800);
  const since = async (before: number, what: string) => {
    const tasks = (await seen()).tasks.slice(before);
    lines.push([what, '', String(tasks.length), `${longest(tasks)} ms`]);
    return before + tasks.length;
  };
  let before = (await seen()).tasks.length;
  for (let i = 0; i < 40; i++) {
    await page.mouse.wheel(0, i < 20 ? 240 : -240);
    await page.waitForTimeout(16); // as often as a wheel turns
  }
  before = await since(before, 'Scrolling');
  for (let i = 0; i < 5; i++) {
    await page.getByRole('button', { name: 'Next' }).click();
    await page
      .getByText(`${(i + 1) * 50 + 1}–`, { exact: false })
      .first()
      .waitFor();
  }
  await since(before, 'Five pages on');

  await page.goto('/projects/shop/clusters/shop-new');
  await page.getByText('Live', { exact: true }).waitFor();
  const cluster = fake.data.clusters.find((one) => one.metadata?.name === 'shop-new')!;
  cluster.status!.conditions![0]!.message = 'etcd: 1 of 1 members is there';
  const shown = page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const check = () => (document.body.textContent ?? '').includes('1 of 1 members') && resolve(Date.now());
        new MutationObserver(check).observe(document.body, { subtree: true, childList: true, characterData: true });
      }),
  );
  const told = Date.now();
  fake.emit('modified', 'Cluster', cluster);
  lines.push(['A change, from the API to the screen', `${(await shown) - told} ms`, '', '']);
  console.log(`\n${lines.map((line) => line.map((cell, i) => cell.padEnd(i ? 15 : 38)).join('')).join('\n')}\n`);
});
