import { createHash } from 'node:crypto';
import { type Batch, MultiCropLoader } from '@cropstream/client';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, launchChromium, openPage, shoot } from './browser.js';
import { demoFolder, serve, stop } from './service.js';

let browser: Browser;
let folder: Awaited<ReturnType<typeof demoFolder>>;
let service: Awaited<ReturnType<typeof serve>>;
let page: Page;
let complaints: readonly string[];

beforeAll(async () => {
  folder = await demoFolder();
  [browser, service] = await Promise.all([launchChromium(), serve(folder.path)]);
  ({ page, complaints } = await openPage(browser, service.ready.http));
});

afterAll(async () => {
  await browser?.close();
  await stop(service);
  await folder?.remove();
});

const spec = () => page.locator('pre').innerText();

test('the form turns sliders into a spec with a preview, and says what is wrong where it is', async () => {
  await page.goto(`${service.ready.http}/`);
  await page.getByRole('link', { name: 'New run' }).first().click();
  const preview = page.getByRole('region', { name: 'Preview' });
  await preview.locator('button.crop img').first().waitFor();
  expect(await preview.locator('article').first().locator('button.crop').count()).toBe(10);

  await page.getByLabel('Name').fill('from-the-form');
  await page.getByLabel('local count', { exact: true }).focus();
  for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowLeft');
  await page.getByLabel('local scale, most', { exact: true }).fill('0.3');
  await page.getByLabel('global_0 solarize', { exact: true }).fill('0.5');
  await page.getByLabel('Seed').fill('7');
  expect(await spec()).toBe(
    `name: from-the-form
dataset: { source: image-folder, url: ${folder.path} }
recipe: dino
seed: 7
views:
  global_0:
    transforms:
      - { horizontal_flip: { p: 0.5 } }
      - { color_jitter: { p: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1 } }
      - { grayscale: { p: 0.2 } }
      - { gaussian_blur: { p: 1, kind: pillow, sigma: [0.1, 2] } }
      - { solarize: { p: 0.5, threshold: 128 } }
  local: { count: 4, scale: [0.05, 0.3] }
`,
  );
  // The picture follows by itself.
  await eventually(() => preview.locator('article').first().locator('button.crop').count()).toBe(6);

  await page.getByLabel('Global batch size').fill('10000');
  await page.getByRole('button', { name: 'Open run' }).click();
  const size = page.getByLabel('Global batch size');
  await eventually(() => size.getAttribute('aria-invalid')).toBe('true');
  expect(await page.locator('.field', { has: size }).locator('.error').innerText()).toContain(
    'fewer than one global batch of 10000',
  );
  await size.fill('8');
  await page.getByLabel('local size', { exact: true }).focus();
  await page.getByLabel('local size, number').fill('5000');
  await page.getByLabel('local size, number').press('Tab');
  const wrong = page
    .locator('.knob', { has: page.getByLabel('local size', { exact: true }) })
    .locator('.error');
  await eventually(() => wrong.innerText()).toContain('2048');
  await page.getByLabel('local size, number').fill('64');
  await page.getByLabel('local size, number').press('Tab');
  await wrong.waitFor({ state: 'detached' });
  // Refusals are answers too, which Chromium tells of.
  expect(complaints.filter((line) => !line.includes('status of 400'))).toEqual([]);
});

test('a run opened from the form is drawn by a trainer, and its crops on the page are its tensors', async () => {
  await page.getByRole('button', { name: 'Open run' }).click();
  await page.getByRole('heading', { level: 1, name: 'from-the-form' }).waitFor();
  const loader = await MultiCropLoader.open({
    target: service.ready.target,
    run: 'from-the-form',
    params: true,
    prefetch: { steps: 1 },
  });
  try {
    let batch: Batch | undefined;
    for await (const drawn of loader) {
      batch = drawn;
      if (drawn.globalStep === 2) break;
    }
    // The page follows what the trainer drew.
    await page.locator('.samples[data-step="2"]').waitFor();
    const cards = page.locator('article.sample');
    expect(await cards.count()).toBe(4);
    for (let row = 0; row < 4; row++) {
      const card = cards.nth(row);
      expect(await card.getByRole('heading').innerText()).toContain(`Sample ${batch?.indices[row]}`);
      for (const name of batch?.views.keys() ?? []) await expectTensor(card, batch as Batch, row, name);
    }
    await shoot(page, 'opened-from-the-form');
  } finally {
    await loader.close();
  }
  expect(complaints.filter((line) => !line.includes('status of 400'))).toEqual([]);
});

/** Holds one crop on the page to the trainer's tensor, and its box to the parameters that came with it. */
async function expectTensor(card: Locator, batch: Batch, row: number, name: string): Promise<void> {
  const { shape, data } = batch.view(name);
  const [, , height = 0, width = 0] = shape;
  const image = card.locator(`button.crop[data-view="${name}"] img`);
  const shown = await image.evaluate(async (element: HTMLImageElement) => {
    await element.decode();
    const canvas = document.createElement('canvas');
    canvas.width = element.naturalWidth;
    canvas.height = element.naturalHeight;
    const context = canvas.getContext('2d');
    context?.drawImage(element, 0, 0);
    const pixels = context?.getImageData(0, 0, canvas.width, canvas.height).data ?? new Uint8ClampedArray();
    const digest = await crypto.subtle.digest('SHA-256', pixels);
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  });
  const plane = height * width;
  const tensor = data.subarray(row * 3 * plane, (row + 1) * 3 * plane);
  const expected = Buffer.alloc(4 * plane, 255);
  for (let i = 0; i < 3 * plane; i++) expected[4 * (i % plane) + Math.floor(i / plane)] = Number(tensor[i]);
  expect(shown, `${name} of row ${row}`).toBe(createHash('sha256').update(expected).digest('hex'));

  const params = batch.params?.get(name)?.row(row);
  const box = card.locator(`svg.boxes g[data-view="${name}"]`);
  expect(await box.getAttribute('data-box')).toBe(
    [params?.box_x, params?.box_y, params?.box_width, params?.box_height].join(' '),
  );
}

test('a box lies on the source where its parameters say, and is tied to its crop', async () => {
  const card = page.locator('article.sample').first();
  const source = card.locator('.picture img');
  const crop = card.locator('button.crop[data-view="local_1"]');
  await crop.scrollIntoViewIfNeeded();
  await crop.hover();
  const group = card.locator('svg.boxes g[data-view="local_1"]');
  await eventually(() => group.getAttribute('class')).toBe('shown');
  const [x = 0, y = 0, width = 0, height = 0] = ((await group.getAttribute('data-box')) ?? '')
    .split(' ')
    .map(Number);
  const [drawn, whole] = await Promise.all([
    group.locator('rect.line').evaluate((rect) => rect.getBoundingClientRect().toJSON() as DOMRect),
    source.evaluate((image) => image.getBoundingClientRect().toJSON() as DOMRect),
  ]);
  const natural = Number(await source.getAttribute('width'));
  const scale = whole.width / natural;
  const stroke = 2;
  expect(Math.abs(drawn.x - (whole.x + x * scale))).toBeLessThan(stroke);
  expect(Math.abs(drawn.y - (whole.y + y * scale))).toBeLessThan(stroke);
  expect(Math.abs(drawn.width - width * scale)).toBeLessThan(2 * stroke);
  expect(Math.abs(drawn.height - height * scale)).toBeLessThan(2 * stroke);
  const told = await card.locator('.parameters').innerText();
  expect(told).toContain('local_1');
  expect(told).toContain(`${width} × ${height} at ${x}, ${y}`);
  expect(told).toMatch(/Flip\s+(yes|no)/);
  expect(told).toMatch(/Blur\s+(pillow, sigma|no)/);
  // The other way: from the box to its crop, kept by a click.
  await card
    .locator('svg.boxes g[data-view="global_1"] rect.line')
    .click({ position: { x: 1, y: 1 }, force: true });
  await eventually(() => card.locator('button.crop[aria-pressed="true"]').count()).toBe(1);
});

test('progress, statistics, substitutions and the spec of the run are told', async () => {
  const loader = await MultiCropLoader.open({
    target: service.ready.target,
    run: 'from-the-form',
    consumer: 'second',
    prefetch: { steps: 2 },
  });
  try {
    let drawn = 0;
    for await (const _ of loader) if (++drawn === 4) break;
    const tabs = page.getByRole('navigation', { name: 'Of run from-the-form' });
    await tabs.getByRole('link', { name: 'Progress' }).click();
    const row = page.locator('tbody tr', { hasText: 'second' });
    await row.waitFor();
    // The batch in hand counts once the next is asked for.
    await eventually(() => row.locator('[data-label="Next step"]').innerText()).toMatch(/^[34]$/);
    expect(await row.locator('[data-label="Trainer"]').innerText()).toContain(`:${process.pid}`);
    expect(await row.locator('[data-label="Credits"]').innerText()).toMatch(/^\d+ chunks?$/);

    await tabs.getByRole('link', { name: 'Statistics' }).click();
    await page.getByRole('figure', { name: 'Scale' }).first().waitFor();
    const figures = page.getByRole('figure', { name: 'Scale' });
    expect(await figures.count()).toBe(2);
    expect(await figures.last().innerText()).toContain('asked 0.05 to 0.3');

    await tabs.getByRole('link', { name: 'Substitutions and errors' }).click();
    await page.getByText('fish/bad.jpg').first().waitFor();

    await tabs.getByRole('link', { name: 'Spec' }).click();
    await eventually(spec).toContain('name: from-the-form');
  } finally {
    await loader.close();
  }
  expect(complaints.filter((line) => !line.includes('status of 400'))).toEqual([]);
});
