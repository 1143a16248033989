import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect, vi } from 'vitest';

// A browser, a service and a trainer share the machine's cores with each other.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
const WAIT_MS = 60_000;

/** Expects of what the page shows that it comes to be so. */
export const eventually = <T>(look: () => Promise<T>) => expect.poll(look, { timeout: WAIT_MS });

/** As root in a container, and with nothing that calls home. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Where screenshots are left for people to look at. */
const SHOTS = join(import.meta.dirname, '../../.cache/screenshots');

/** How the page is looked at. */
export const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1440, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1440, height: 900 } },
  /** A small phone, which asks for less motion too. */
  narrow: { colorScheme: 'light', viewport: { width: 360, height: 740 }, reducedMotion: 'reduce' },
  'narrow-dark': { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
} as const satisfies Record<string, BrowserContextOptions>;
export type Look = keyof typeof LOOKS;

export async function launchChromium(): Promise<Browser> {
  const executablePath = process.env.CROPSTREAM_CHROMIUM;
  if (executablePath === undefined)
    throw new Error('CROPSTREAM_CHROMIUM is not set: npm run test:browser sets it');
  return chromium.launch({ executablePath, args: FLAGS });
}

export interface WatchedPage {
  readonly page: Page;
  /** What the page complained of: console errors and warnings, exceptions, requests to any host but the service. */
  readonly complaints: readonly string[];
}

/** @param service the only address that the page may ask anything of, `http://host:port` */
export async function openPage(
  browser: Browser,
  service: string,
  look: Look = 'light',
): Promise<WatchedPage> {
  const context = await browser.newContext(LOOKS[look]);
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()))
      complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`thrown: ${error.stack ?? error.message}`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${service}/`) && !url.startsWith('data:')) complaints.push(`asked ${url}`);
  });
  return { page, complaints };
}

/** Leaves a picture of the whole page in the folder of screenshots. */
export async function shoot(page: Page, name: string): Promise<void> {
  await mkdir(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

/** What axe finds wrong with the page as it is, a line each. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const results = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run());
  return results.violations.map(
    ({ id, help, nodes }) => `${id}: ${help}: ${nodes.length} times, first ${nodes[0]?.html.slice(0, 200)}`,
  );
}

/** How many pixels the page is wider than its window. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
