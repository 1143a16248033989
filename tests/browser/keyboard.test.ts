import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium, openPage } from './browser.js';
import { demoFolder, serve, stop } from './service.js';

let browser: Browser;
let folder: Awaited<ReturnType<typeof demoFolder>>;
let service: Awaited<ReturnType<typeof serve>>;
let page: Page;

beforeAll(async () => {
  folder = await demoFolder();
  [browser, service] = await Promise.all([
    launchChromium(),
    serve(folder.path, ['--name', 'by-keys', '--recipe', 'dino', '--global-batch-size', '8']),
  ]);
  ({ page } = await openPage(browser, service.ready.http));
  await page.goto(`${service.ready.http}/`);
  await page.getByRole('link', { name: 'by-keys' }).waitFor();
});

afterAll(async () => {
  await browser?.close();
  await stop(service);
  await folder?.remove();
});

/** The name of what has the focus, and whether one sees that it has. */
const focused = () =>
  page.evaluate(() => {
    const element = document.activeElement;
    if (!(element instanceof HTMLElement) || element === document.body) return { name: '', seen: false };
    const shown = element.matches('input[type="radio"]') ? element.nextElementSibling : element;
    const { outlineStyle, boxShadow } = getComputedStyle(shown ?? element);
    const name = element.getAttribute('aria-label') ?? element.textContent ?? '';
    return { name: name.trim().replace(/\s+/g, ' '), seen: outlineStyle !== 'none' || boxShadow !== 'none' };
  });

/** Tabs until something of that name has the focus; all that is passed must show it. */
async function tabTo(name: string | RegExp, most = 60): Promise<void> {
  const passed: string[] = [];
  for (let i = 0; i < most; i++) {
    await page.keyboard.press('Tab');
    const now = await focused();
    if (now.name !== '') expect(now.seen, `the focus on ${now.name} is seen`).toBe(true);
    if (typeof name === 'string' ? now.name === name : name.test(now.name)) return;
    passed.push(now.name);
  }
  throw new Error(`Tab never came to ${name}; it passed ${passed.join(', ')}`);
}

test('from the top of the fleet to a crop and its parameters', async () => {
  await tabTo('Skip to the content');
  await page.keyboard.press('Enter');
  await tabTo('by-keys');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'by-keys' }).waitFor();
  await tabTo('Crops');
  await page.keyboard.press('Enter');
  await page.locator('button.crop img').first().waitFor();
  await tabTo(/^g0 global_0: box/);
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  expect((await focused()).name).toMatch(/^l0 local_0: box \d+ × \d+/);
  expect(await page.locator('.parameters').first().innerText()).toContain('local_0');
  await page.keyboard.press('Enter');
  await page.keyboard.press('End');
  expect((await focused()).name).toMatch(/^l7 local_7:/);
  expect(await page.locator('button.crop[aria-pressed="true"]').getAttribute('data-view')).toBe('local_0');
  await page.keyboard.press('Escape');
  expect(await page.locator('button.crop[aria-pressed="true"]').count()).toBe(0);
});

test('a run is paused, resumed and closed, each time asked first; Escape leaves it as it is', async () => {
  await page.goto(`${service.ready.http}/#/runs/by-keys`);
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  const dialog = page.getByRole('dialog');
  await tabTo('Pause');
  await page.keyboard.press('Enter');
  await dialog.waitFor();
  expect((await focused()).name).toBe('Cancel');
  await page.keyboard.press('Escape');
  // Its role is gone as soon as it closes, a moment before the page hears of that.
  await page.locator('dialog').waitFor({ state: 'detached' });
  expect((await focused()).name).toBe('Pause');

  await page.keyboard.press('Enter');
  await dialog.waitFor();
  await tabTo('Pause the run', 3);
  await page.keyboard.press('Enter');
  await page.getByText('Paused', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Resume' }).focus();
  await page.keyboard.press('Enter');
  await dialog.waitFor();
  await tabTo('Resume the run', 3);
  await page.keyboard.press('Enter');
  await page.getByText('Open', { exact: true }).waitFor();

  await page.getByRole('button', { name: 'Close' }).focus();
  await page.keyboard.press('Enter');
  await dialog.waitFor();
  await tabTo('Close the run', 3);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'No run is open' }).waitFor();
});
