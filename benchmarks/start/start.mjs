// From `serve` to the first batch in a trainer's hands, of a folder of 100,000 files (which are few files, linked often).
import { existsSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MultiCropLoader } from '@cropstream/client';
import { cache } from '../../scripts/setup.mjs';
import { benchmarkImages, filesOf } from '../images/images.mjs';
import { fromRoot, startService } from '../processes.mjs';
import { measure } from '../statistics.mjs';

const FILES = 100_000;
const CLASSES = 100;

/** Made once under .cache/; not of one's own data, which may lie on another disk. */
async function largeFolder() {
  const folder = join(cache, 'benchmarks', 'files-100000');
  if (existsSync(folder)) return folder;
  const images = await benchmarkImages();
  const files = filesOf(images);
  const made = `${folder}-unfinished`;
  rmSync(made, { recursive: true, force: true });
  for (let number = 0; number < FILES; number++) {
    const to = join(made, `class-${String(number % CLASSES).padStart(3, '0')}`);
    if (number < CLASSES) mkdirSync(to, { recursive: true });
    const { parentPath, name } = files[number % files.length];
    linkSync(join(parentPath, name), join(to, `${number}.jpg`));
  }
  renameSync(made, folder);
  return folder;
}

/** @param {{ rounds: number }} options */
export async function start({ rounds }) {
  const folder = await largeFolder();
  const announced = [];
  const first = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    const service = await startService([
      ...[fromRoot('packages/cli/bin/cropstream.js'), 'serve', '--data', folder, '--recipe', 'dino'],
      ...['--port', '0', '--http-port', '0', '--log-level', 'error', '--json'],
    ]);
    try {
      announced.push((performance.now() - began) / 1000);
      const loader = await MultiCropLoader.open({ target: service.ready.target });
      await loader[Symbol.asyncIterator]().next();
      first.push((performance.now() - began) / 1000);
      await loader.close();
    } finally {
      await service.stop();
    }
  }
  return {
    measures: {
      'serve is up': measure('s', 'lower', announced),
      'first batch': measure('s', 'lower', first),
    },
  };
}
