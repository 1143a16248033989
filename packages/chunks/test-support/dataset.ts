/** Small image folders for tests, good samples and bad, removed when the test file ends. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TransformRegistry } from '@cropstream/augment';
import { indexDataset, type Manifest } from '@cropstream/datasets';
import { parseSpec, type ResolvedSpec } from '@cropstream/spec';
import sharp from 'sharp';
import { afterAll } from 'vitest';

/** A JPEG or PNG with structure at every scale, no two alike. */
export async function image(
  seed: number,
  format: 'jpeg' | 'png' = 'jpeg',
  width = 50 + ((seed * 37) % 60),
  height = 40 + ((seed * 53) % 50),
): Promise<Buffer> {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      pixels[at++] = (x * 3 + seed * 17) & 255;
      pixels[at++] = (y * 2 + ((x >> 3) ^ (y >> 3)) * 20) & 255;
      pixels[at++] = 128 + 100 * Math.sin((x * (seed + 1) + y * 3) / 40);
    }
  }
  const source = sharp(pixels, { raw: { width, height, channels: 3 } });
  const chromaSubsampling = seed % 2 ? '4:2:0' : '4:4:4';
  return format === 'png'
    ? source.png().toBuffer()
    : source.jpeg({ quality: 85, chromaSubsampling }).toBuffer();
}

/** A folder with these files in one class, in the order of their names. */
export function folderOf(files: Readonly<Record<string, Uint8Array>>): string {
  const root = mkdtempSync(join(tmpdir(), 'cropstream-worker-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, 'class-0'));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(root, 'class-0', name), bytes);
  return root;
}

/** JPEGs, and every fourth a PNG. */
export async function goodFiles(count: number): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {};
  for (let i = 0; i < count; i++) {
    const format = i % 4 === 3 ? 'png' : 'jpeg';
    files[`${String(i).padStart(4, '0')}.${format === 'png' ? 'png' : 'jpg'}`] = await image(i, format);
  }
  return files;
}

/** Two views, one of them float: small enough that a test makes hundreds. */
export const SMALL_VIEWS = {
  global: {
    size: 24,
    scale: [0.4, 1],
    transforms: ['horizontal_flip', { color_jitter: { p: 0.8 } }, 'normalize'],
  },
  local: {
    count: 2,
    size: 12,
    scale: [0.05, 0.4],
    transforms: ['horizontal_flip', { gaussian_blur: { p: 0.5 } }],
  },
};

export interface Run {
  readonly spec: ResolvedSpec;
  readonly manifest: Manifest;
}

/** A run over the folder, `changes` to its spec. */
export async function runOver(
  url: string,
  changes: object = {},
  transforms?: TransformRegistry,
): Promise<Run> {
  const dataset = { source: 'image-folder', url };
  const input = { name: 'test', dataset, seed: 7, global_batch_size: 4, views: SMALL_VIEWS, ...changes };
  const spec = parseSpec(input, transforms && { transforms });
  const { manifest } = await indexDataset(spec.dataset);
  return { spec, manifest };
}
