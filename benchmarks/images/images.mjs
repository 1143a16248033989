// The images that benchmarks read where no folder of one's own is given: scenes of the demo under noise as photographs
// have it, at ImageNet's sizes and bytes (450 x 450 pixels and 110 KB on average). Written once into .cache/.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { makeDemoImages } from '../../packages/cli/dist/demo/demo-images.js';
import { cache } from '../../scripts/setup.mjs';

/** Another number where the images change, so that those of before are not taken for them. */
const VERSION = 1;
const COUNT = 120;
/** Standard deviation of the noise in levels, by the side of its grain in pixels: more energy in coarser grain. */
const NOISE = [
  [1, 7],
  [2, 6],
  [4, 8],
  [8, 10],
];
const QUALITY = 94;
/** The demo's are a little smaller than ImageNet's. */
const ENLARGED = 1.05;

/** A folder of class folders with JPEGs in them. */
export async function benchmarkImages() {
  const folder = join(cache, 'benchmarks', `images-${VERSION}`);
  if (existsSync(folder)) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const made = mkdtempSync(`${folder}-`);
  try {
    console.error(`Drawing ${COUNT} images ...`);
    await makeDemoImages(made, { count: COUNT });
    for (const [number, { parentPath, name }] of filesOf(made).entries()) {
      const path = join(parentPath, name);
      const drawn = sharp(readFileSync(path));
      const { width } = await drawn.metadata();
      const { data, info } = await drawn
        .resize(Math.round(ENLARGED * width))
        .toColourspace('srgb')
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      addNoise(data, info, number + 1);
      rmSync(path);
      const raw = { width: info.width, height: info.height, channels: info.channels };
      const jpeg = await sharp(data, { raw }).toColourspace('srgb').jpeg({ quality: QUALITY }).toBuffer();
      writeFileSync(path.replace(/\.\w+$/, '.jpg'), jpeg);
    }
    renameSync(made, folder);
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    throw error;
  }
  return folder;
}

/** All files below a folder, as directory entries. */
export function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
}

/** The same in all channels, as most of a sensor's noise is after its processing. */
function addNoise(data, { width, height, channels }, seed) {
  const random = normal(seed);
  const noise = new Float32Array(width * height);
  for (const [grain, deviation] of NOISE) {
    const columns = Math.ceil(width / grain) + 2;
    const grid = Float32Array.from(
      { length: columns * (Math.ceil(height / grain) + 2) },
      () => deviation * random(),
    );
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [gx, gy] = [x / grain, y / grain];
        const [fx, fy] = [gx % 1, gy % 1];
        const at = Math.floor(gy) * columns + Math.floor(gx);
        const top = grid[at] * (1 - fx) + grid[at + 1] * fx;
        const bottom = grid[at + columns] * (1 - fx) + grid[at + columns + 1] * fx;
        noise[y * width + x] += top * (1 - fy) + bottom * fy;
      }
    }
  }
  for (let i = 0; i < data.length; i++) {
    data[i] = Math.max(0, Math.min(255, Math.round(data[i] + noise[Math.floor(i / channels)])));
  }
}

/** Of mean 0 and deviation 1, near enough: a sum of twelve uniform numbers. */
function normal(seed) {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += uniform();
    return sum;
  };
}
