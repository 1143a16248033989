import { MultiCropLoader } from '@cropstream/client';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  eventually,
  LOOKS,
  type Look,
  launchChromium,
  openPage,
  overflow,
  shoot,
  violations,
} from './browser.js';
import { demoFolder, serve, stop } from './service.js';

let browser: Browser;
let folder: Awaited<ReturnType<typeof demoFolder>>;
let service: Awaited<ReturnType<typeof serve>>;
let loader: MultiCropLoader;
let drawing: Promise<void>;

/** A trainer that goes on drawing while the page is looked at. */
async function draw(): Promise<void> {
  for (;;) for await (const _ of loader) await new Promise((resolve) => setTimeout(resolve, 1_000));
}

beforeAll(async () => {
  folder = await demoFolder();
  [browser, service] = await Promise.all([
    launchChromium(),
    serve(folder.path, ['--name', 'vits16-demo', '--recipe', 'dino', '--global-batch-size', '8']),
  ]);
  loader = await MultiCropLoader.open({
    target: service.ready.target,
    run: 'vits16-demo',
    consumer: 'job-1',
  });
  drawing = draw().catch(() => undefined);
});

afterAll(async () => {
  await loader?.close();
  await drawing;
  await browser?.close();
  await stop(service);
  await folder?.remove();
});

/** Each page, and what stands on it once it is whole. */
const PAGES = {
  fleet: ['#/', '[data-figure="throughput"]'],
  workers: ['#/workers', 'tbody tr'],
  progress: ['#/runs/vits16-demo', 'tbody tr'],
  crops: ['#/runs/vits16-demo/crops', 'button.crop img'],
  statistics: ['#/runs/vits16-demo/statistics', '.histogram svg'],
  reports: ['#/runs/vits16-demo/reports', '#substitutions'],
  spec: ['#/runs/vits16-demo/spec', 'pre'],
  compose: ['#/new', 'button.crop img'],
  'no run': ['#/runs/none', '.empty h1'],
  'no page': ['#/nowhere', '.empty h1'],
} as const;

test.each(Object.keys(LOOKS) as Look[])(
  'every page, %s: accessible, within its window, without complaint',
  async (look) => {
    const { page, complaints } = await openPage(browser, service.ready.http, look);
    await page.goto(`${service.ready.http}/`);
    const found: string[] = [];
    for (const [name, [hash, whole]] of Object.entries(PAGES)) {
      await page.evaluate((to) => {
        location.hash = to;
      }, hash);
      await page.locator(whole).first().waitFor();
      if (name === 'crops') await page.locator('button.crop').nth(3).focus();
      found.push(...(await violations(page)).map((line) => `${name}: ${line}`));
      const wider = await overflow(page);
      if (wider > 0) found.push(`${name}: ${wider} pixels wider than the window`);
      await shoot(page, `${name.replace(' ', '-')}-${look}`);
    }
    expect(found).toEqual([]);
    // The run that there is not is asked for, and refused.
    expect(complaints.filter((line) => !line.includes('status of 404'))).toEqual([]);
    await page.context().close();
  },
);

test('a dialog is accessible in both themes', async () => {
  for (const look of ['light', 'dark'] as const) {
    const { page, complaints } = await openPage(browser, service.ready.http, look);
    await page.goto(`${service.ready.http}/#/runs/vits16-demo`);
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('dialog', { name: 'Close vits16-demo?' }).waitFor();
    expect(await violations(page)).toEqual([]);
    await shoot(page, `dialog-${look}`);
    expect(complaints).toEqual([]);
    await page.context().close();
  }
});

test('the theme is chosen, and kept', async () => {
  const { page } = await openPage(browser, service.ready.http, 'light');
  await page.goto(`${service.ready.http}/`);
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  const button = page.getByRole('button', { name: /^Colours/ });
  expect(await theme()).toBe('light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await eventually(theme).toBe('dark');
  await button.click();
  await eventually(theme).toBe('light');
  await page.reload();
  await eventually(theme).toBe('light');
  await button.click();
  await eventually(theme).toBe('dark');
  await page.context().close();
});
