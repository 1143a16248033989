// Made-up CIFAR-10: 2,000 records of noise over gradients, as the binary files that Cropstream reads and as the pixels that
// Python reads. What the pixels show does not matter for how long they take.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cache } from '../../scripts/setup.mjs';

const RECORDS = 2000;
const SIDE = 32;

/** A folder that is both. */
export function cifarFolder() {
  const folder = join(cache, 'benchmarks', 'cifar-10-batches-bin');
  if (existsSync(join(folder, 'pixels.bin'))) return folder;
  mkdirSync(folder, { recursive: true });
  let state = 1;
  const random = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((below * state) / 2 ** 32);
  };
  const area = SIDE * SIDE;
  const records = Buffer.alloc(RECORDS * (1 + 3 * area));
  const pixels = Buffer.alloc(RECORDS * 3 * area);
  for (let record = 0; record < RECORDS; record++) {
    const at = record * (1 + 3 * area);
    records[at] = record % 10;
    const base = [random(128), random(128), random(128)];
    for (let i = 0; i < area; i++) {
      for (let channel = 0; channel < 3; channel++) {
        const value = base[channel] + 3 * (channel === 0 ? i % SIDE : Math.floor(i / SIDE)) + random(32);
        records[at + 1 + channel * area + i] = value;
        pixels[3 * (record * area + i) + channel] = value;
      }
    }
  }
  writeFileSync(join(folder, 'test_batch.bin'), records);
  writeFileSync(join(folder, 'pixels.bin'), pixels);
  return folder;
}
