import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, launchChromium, openPage, shoot, violations } from './browser.js';
import { demoFolder, serve, stop } from './service.js';

let browser: Browser;
let folder: Awaited<ReturnType<typeof demoFolder>>;
let service: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  [folder, browser] = await Promise.all([demoFolder(), launchChromium()]);
});

afterAll(async () => {
  await browser?.close();
  await stop(service);
  await folder?.remove();
});

test('a coordinator that goes away is told, and the page is live again by itself when it is back', async () => {
  service = await serve(folder.path, ['--name', 'comes-back']);
  const { http, target } = service.ready;
  const { page, complaints } = await openPage(browser, http);
  await page.goto(`${http}/`);
  const state = page.locator('.top [role="status"]');
  await eventually(() => state.innerText()).toBe('Live');
  await page.getByRole('link', { name: 'comes-back' }).waitFor();
  await stop(service);
  await page.locator('[data-state="lost"]').waitFor();
  expect(await state.innerText()).toBe('Disconnected');
  // What was known stays in sight.
  expect(await page.getByRole('link', { name: 'comes-back' }).count()).toBe(1);
  expect(await violations(page)).toEqual([]);
  await shoot(page, 'disconnected');

  const ports = ['--port', portOf(target), '--http-port', portOf(http)];
  service = await serve(folder.path, ['--name', 'comes-back', ...ports]);
  await page.locator('[data-state="lost"]').waitFor({ state: 'detached' });
  await eventually(() => state.innerText()).toBe('Live');
  // Chromium itself tells of connections that are refused.
  const rest = complaints.filter((line) => !/net::ERR_(CONNECTION|INCOMPLETE|EMPTY)/.test(line));
  expect(rest).toEqual([]);
  await stop(service);
  await page.context().close();
});

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const portOf = (address: string): string => address.split(':').at(-1) ?? '';

test('a protected service wants a token; what a token may not do is not offered', async () => {
  const tokens = {
    operator: 'an-operators-token-of-32-letters',
    trainer: 'a-trainers-token-of-32-letters-1',
    platform: 'the-platforms-token-of-32-letter',
  };
  const file = join(folder.path, '..', `${process.pid}-tokens.yaml`);
  const entry = (name: keyof typeof tokens, role: string, owner: string) =>
    `  - { name: ${name}, role: ${role}, owner: '${owner}', sha256: ${sha256(tokens[name])} }`;
  const operator = entry('operator', 'operator', 'vision');
  const trainer = entry('trainer', 'trainer', 'vision');
  const platform = entry('platform', 'operator', '*');
  const write = (...entries: string[]) =>
    writeFile(
      file,
      `owners: { default: { roots: [${folder.path}] }, vision: { roots: [${folder.path}] } }\ntokens:\n${entries.join('\n')}\n`,
    );
  await write(operator, trainer, platform);
  service = await serve(folder.path, ['--name', 'protected'], { CROPSTREAM_TOKENS_FILE: file });
  const { http } = service.ready;
  const { page, complaints } = await openPage(browser, http);
  await page.goto(`${http}/`);
  const field = page.getByLabel('Token');
  await field.waitFor();
  expect(await violations(page)).toEqual([]);
  await shoot(page, 'sign-in');
  await field.fill('not the token');
  await page.keyboard.press('Enter');
  await eventually(() => field.getAttribute('aria-invalid')).toBe('true');
  await shoot(page, 'sign-in-refused');

  await field.fill(tokens.operator);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { level: 1, name: 'Fleet' }).waitFor();
  await page.getByText('operator, operator').waitFor();
  await page.reload();
  await page.getByText('operator, operator').waitFor();
  expect(await page.getByText('Not protected').count()).toBe(0);
  // What its owner may not read is refused where it was written.
  await page.getByRole('link', { name: 'New run' }).first().click();
  const dataset = page.getByLabel('Dataset');
  await dataset.fill('/etc');
  await eventually(() => dataset.getAttribute('aria-invalid')).toBe('true');
  expect(await page.locator('.field', { has: dataset }).innerText()).toContain('may not be read');
  await page.getByRole('link', { name: 'Fleet' }).first().click();

  await page.getByRole('button', { name: 'Sign out' }).click();
  await field.fill(tokens.trainer);
  await page.keyboard.press('Enter');
  await page.getByText('trainer, trainer').waitFor();
  await page.getByRole('heading', { name: 'No run is open' }).waitFor();

  // Who runs the platform sees every owner's runs, and says whose.
  await page.getByRole('button', { name: 'Sign out' }).click();
  await field.fill(tokens.platform);
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'protected' }).click();
  await page.getByRole('heading', { level: 1, name: 'protected' }).waitFor();
  expect(page.url()).toBe(`${http}/#/runs/protected?owner=default`);
  await page.getByRole('heading', { name: 'No trainer is attached' }).waitFor();
  // Revoked while the page is open: it is shut out at its next question.
  await write(operator);
  await field.waitFor();
  // Nothing of a token is in the address, or kept for another tab.
  expect(page.url()).toBe(`${http}/#/runs/protected?owner=default`);
  expect(await page.evaluate(() => Object.values(localStorage).join())).not.toContain(tokens.platform);
  expect(complaints.filter((line) => !/status of 40[013]/.test(line))).toEqual([]);
  await page.context().close();
});
