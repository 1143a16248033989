// Draws parameters as workers do, and nothing else: no image is read. For each recipe, onto stdout:
//   a line of JSON: { "recipe": name, "columns": [name, ...], "views": [resolved view, ...] }
//   for each view, float32[draws, columns], little-endian: samples 0 to draws - 1 of an image of that size
//
//   node tests/parity/draw-parameters.mjs --recipes dino,swav --draws 100000 --size 500x375 [--seed N] [--epoch N]
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import {
  compileViews,
  PARAM_COLUMNS,
  paramsToRow,
  RECIPES,
  resolveViews,
  TransformRegistry,
} from '@cropstream/augment';

const { values } = parseArgs({
  options: {
    recipes: { type: 'string', default: Object.keys(RECIPES).join(',') },
    draws: { type: 'string', default: '' },
    size: { type: 'string', default: '' },
    seed: { type: 'string', default: '0' },
    epoch: { type: 'string', default: '0' },
  },
});
const draws = Number(values.draws);
const [width, height] = values.size.split('x').map(Number);
if (!(draws > 0 && width > 0 && height > 0)) throw new Error('--draws N and --size WIDTHxHEIGHT are needed');
const when = { seed: Number(values.seed), epoch: Number(values.epoch) };

async function write(bytes) {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}

for (const name of values.recipes.split(',')) {
  const recipe = RECIPES[name];
  if (recipe === undefined) throw new Error(`no recipe is named ${name}`);
  const context = { registry: new TransformRegistry(), normalization: recipe.normalization };
  const views = resolveViews(undefined, recipe, context);
  await write(`${JSON.stringify({ recipe: name, columns: PARAM_COLUMNS, views })}\n`);
  for (const view of compileViews(views, { layout: 'nchw' })) {
    const rows = new Float32Array(draws * PARAM_COLUMNS.length);
    for (let sampleId = 0; sampleId < draws; sampleId += 1) {
      const params = view.sample({ ...when, sampleId, width, height });
      paramsToRow(params, { width, height }, rows, sampleId * PARAM_COLUMNS.length);
    }
    await write(new Uint8Array(rows.buffer));
  }
}
