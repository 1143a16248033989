// Compares what `cropstream augment` makes with Pillow's own pixels, recipe by recipe:
//   node tests/parity/run-parity.mjs --data FOLDER [--recipes all|dino,swav] [--seed N] [--epoch N]
// The Python of CROPSTREAM_PYTHON (else python3) needs Pillow and numpy. Exits with 1 where a pixel differs, with 3 under a
// Pillow that is too new to compare with.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { RECIPES } from '@cropstream/augment';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const cropstream = here('../../packages/cli/bin/cropstream.js');
const script = here('./augment_params.py');

/** How the script ends under a Pillow whose pixels are others. */
const PILLOW_TOO_NEW = 3;

class PillowTooNew extends Error {}

/** Names of all recipes. */
export const ALL_RECIPES = Object.keys(RECIPES);

/**
 * Augments every image of a folder, and compares each view with Pillow's.
 * @returns {Promise<{ images: number, views: number, equal: number, within_one_level: number,
 *   different: { image: string, view: string, levels: number }[] }>}
 */
export async function compareWithPillow({
  data,
  flags = [],
  python = process.env.CROPSTREAM_PYTHON ?? 'python3',
}) {
  const out = await mkdtemp(join(tmpdir(), 'cropstream-parity-'));
  try {
    await run(process.execPath, [cropstream, 'augment', '--data', data, '--out', out, ...flags]);
    const args = [script, '--images', data, '--augmented', out, '--json'];
    // It exits with 1 where pixels differ, and says which on stdout all the same.
    const { stdout } = await run(python, args, { maxBuffer: 1 << 26 }).catch((error) => {
      if (error.code === 1 && error.stdout) return error;
      if (error.code === PILLOW_TOO_NEW) throw new PillowTooNew(error.stderr.trim());
      throw error;
    });
    return JSON.parse(stdout);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      recipes: { type: 'string', default: 'all' },
      seed: { type: 'string', default: '0' },
      epoch: { type: 'string', default: '0' },
    },
  });
  if (values.data === undefined) throw new Error('--data FOLDER is needed');
  const recipes = values.recipes === 'all' ? ALL_RECIPES : values.recipes.split(',');
  let failed = false;
  for (const recipe of recipes) {
    const flags = ['--recipe', recipe, '--seed', values.seed, '--epoch', values.epoch];
    const result = await compareWithPillow({ data: values.data, flags });
    const { images, views, equal, within_one_level: near, different } = result;
    failed ||= different.length > 0 || views === 0;
    console.log(
      `${recipe.padEnd(16)} ${images} images, ${views} views: ${equal} equal in every bit, ` +
        `${near} within one level, ${different.length} different`,
    );
    for (const { image, view, levels } of different.slice(0, 5))
      console.log(`  ${image} ${view}: ${levels} levels`);
  }
  process.exitCode = failed ? 1 : 0;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main().catch((error) => {
    if (!(error instanceof PillowTooNew)) throw error;
    console.error(error.message);
    process.exitCode = PILLOW_TOO_NEW;
  });
}
