// Writes the published test vectors of sampling to docs/vectors: run it after `tsc -b packages/augment`, and only when
// the stream format changes, since every run's digest changes with these numbers.
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import {
  compileViews,
  exp,
  log,
  RECIPES,
  resolveViews,
  Stream,
  TransformRegistry,
  viewKey,
} from '@cropstream/augment';
import { randomKey } from '@cropstream/schedule';

const docs = new URL('../../../docs/vectors/', import.meta.url);
const registry = new TransformRegistry();

async function write(name, about, content) {
  const path = new URL(name, docs);
  await writeFile(path, JSON.stringify({ about, ...content }));
  execFileSync('npx', ['biome', 'check', '--write', path.pathname], { stdio: 'ignore' });
}

function bits(x) {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  return view.getBigUint64(0).toString(16).padStart(16, '0');
}

const hex = (words) => words.map((word) => word.toString(16).padStart(8, '0'));

const expInputs = [
  0, 1, -1, 0.5, -0.5, 1e-9, -0.2876820724517809, 0.28768207245178085, 0.1, 2, 10, -10, 700, -700,
];
const logInputs = [1, 2, 0.5, 0.75, 4 / 3, Math.SQRT1_2, Math.SQRT2, 10, 0.1, 1e-3, 1e3, 1e300, 1e-300];
await write(
  'elementary.json',
  'Our exp and log: x as a decimal double, the result as the bits of an IEEE double.',
  {
    exp: expInputs.map((x) => ({ x, bits: bits(exp(x)) })),
    log: logInputs.map((x) => ({ x, bits: bits(log(x)) })),
  },
);

const identities = [
  { name: 'global_0' },
  { name: 'local_7' },
  { name: 'view', seed: 0 },
  { name: 'view', seed: 42 },
  { name: 'other', seed: 42 },
  { name: 'local_3', seed: 42, copy: 3 },
  { name: 'view', seed: 2 ** 53 - 1 },
];
const streams = [
  { seed: 0, epoch: 0, sample_id: 0, view: { name: 'global_0' }, slot: 0 },
  { seed: 42, epoch: 0, sample_id: 7, view: { name: 'global_0' }, slot: 0 },
  { seed: 42, epoch: 0, sample_id: 7, view: { name: 'global_0' }, slot: 1 },
  { seed: 42, epoch: 0, sample_id: 7, view: { name: 'global_0' }, slot: (2 << 8) | 5 },
  { seed: 42, epoch: 1, sample_id: 7, view: { name: 'global_0' }, slot: 0 },
  {
    seed: 2 ** 53 - 1,
    epoch: 2 ** 40,
    sample_id: 2 ** 40 + 5,
    view: { name: 'local_3', seed: 42, copy: 3 },
    slot: 256,
  },
];
await write(
  'streams.json',
  'Keys of runs and views, and what a stream gives at a slot. Words are u32 in hex.',
  {
    random_keys: ['augment', 'order', 'substitute'].flatMap((tag) =>
      [
        [0, 0],
        [42, 0],
        [42, 1],
        [2 ** 53 - 1, 2 ** 53 - 1],
      ].map(([seed, epoch]) => ({ tag, seed, epoch, key: hex(randomKey(tag, seed, epoch)) })),
    ),
    view_keys: identities.map((view) => ({ view, key: hex([viewKey(view)])[0] })),
    draws: streams.map((draw) => {
      const stream = new Stream(
        randomKey('augment', draw.seed, draw.epoch),
        draw.sample_id,
        viewKey(draw.view),
      );
      return {
        ...draw,
        words: hex(stream.words(draw.slot)),
        uniform: stream.uniform(draw.slot),
        integer_0_to_23: stream.integer(draw.slot, 0, 23),
      };
    }),
  },
);

const addresses = [
  { seed: 42, epoch: 0, sampleId: 0, width: 500, height: 375 },
  { seed: 42, epoch: 0, sampleId: 1, width: 333, height: 500 },
  { seed: 42, epoch: 3, sampleId: 123456, width: 640, height: 90 },
  { seed: 7, epoch: 0, sampleId: 2 ** 33 + 1, width: 32, height: 32 },
];
const resolved = (recipe) =>
  resolveViews(undefined, recipe, { registry, normalization: recipe.normalization });
const parameters = ['dino', 'dinov2', 'mocov3', 'lesson-cifar10', 'eval'].flatMap((name) => {
  const views = compileViews(resolved(RECIPES[name]), { layout: 'nchw' }, registry);
  return addresses.map(({ sampleId, ...address }) => ({
    recipe: name,
    sample_id: sampleId,
    ...address,
    views: Object.fromEntries(views.map((view) => [view.name, view.sample({ ...address, sampleId })])),
  }));
});
await write(
  'parameters.json',
  'The parameters of every view of some samples, as `cropstream augment` writes them.',
  { samples: parameters },
);

await write('recipes.json', 'Every recipe, resolved: what a run spec that names it contains.', {
  recipes: Object.fromEntries(
    Object.values(RECIPES).map((recipe) => [
      recipe.name,
      { normalization: recipe.normalization, views: resolved(recipe) },
    ]),
  ),
});
