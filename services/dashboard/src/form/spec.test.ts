import { readFileSync } from 'node:fs';
import { parseSpec, type RunSpecInput } from '@cropstream/spec';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Draft, specOf } from './spec.js';
import { knobsOf, type RecipeView, type ViewKnobs } from './transforms.js';
import { toYaml, type Yaml } from './yaml.js';

const vectors = new URL('../../../../docs/vectors/recipes.json', import.meta.url);
const { recipes } = JSON.parse(readFileSync(vectors, 'utf8')) as {
  recipes: Record<string, { views: RecipeView[] }>;
};

const draftOf = (recipe: string, views: readonly ViewKnobs[]): Draft => ({
  name: 'try',
  source: 'image-folder',
  url: '/data/imagenet/train',
  recipe,
  seed: 42,
  globalBatchSize: 256,
  shuffle: 'full',
  dropLast: true,
  views,
});

/** What the service makes of a draft, through the YAML that the reader copies. */
function resolved(draft: Draft): RecipeView[] {
  const spec = specOf(draft, recipes[draft.recipe]!.views);
  return [...parseSpec(parse(toYaml(spec)) as RunSpecInput).views] as RecipeView[];
}

test.each(Object.keys(recipes))('%s as it is needs nothing but its name', (recipe) => {
  const { views } = recipes[recipe]!;
  expect(specOf(draftOf(recipe, knobsOf(views)), views)).not.toHaveProperty('views');
});

test('what is changed alone is written, in the style of the documentation', () => {
  const views = knobsOf(recipes.dino!.views).map(
    (view): ViewKnobs =>
      view.name === 'local' && view.crop !== null
        ? { ...view, count: 6, crop: { ...view.crop, size: 112, scale: [0.05, 0.3] } }
        : view,
  );
  expect(toYaml(specOf(draftOf('dino', views), recipes.dino!.views))).toBe(
    `name: try
dataset: { source: image-folder, url: /data/imagenet/train }
recipe: dino
seed: 42
global_batch_size: 256
views:
  local: { count: 6, size: 112, scale: [0.05, 0.3] }
`,
  );
});

const share = fc.integer({ min: 0, max: 100 }).map((n) => n / 100);
const range = (least: number, most: number) =>
  fc
    .tuple(fc.integer({ min: least, max: most }), fc.integer({ min: least, max: most }))
    .map(([a, b]): [number, number] => [Math.min(a, b) / 100, Math.max(a, b) / 100]);

/** One setting of every slider, for views of any recipe. */
const anySetting = fc.record({
  count: fc.integer({ min: 1, max: 12 }),
  size: fc.integer({ min: 24, max: 256 }),
  scale: range(5, 100),
  ratio: range(50, 200),
  interpolation: fc.constantFrom('bicubic' as const, 'bilinear' as const),
  flip: share,
  jitter: fc.record({
    p: share,
    brightness: share,
    contrast: share,
    saturation: share,
    hue: share.map((v) => v / 2),
  }),
  grayscale: share,
  blur: fc.record({ p: share, sigma: range(10, 300) }),
  solarize: fc.record({ p: share, threshold: fc.integer({ min: 0, max: 256 }) }),
});

/** As a resolved view tells it again: what does not happen has no strength. */
function told(view: ViewKnobs): ViewKnobs {
  const { jitter, blur, solarize } = view;
  return {
    ...view,
    jitter: jitter.p === 0 ? { p: 0, brightness: 0, contrast: 0, saturation: 0, hue: 0 } : jitter,
    blur: blur.p === 0 ? { p: 0, sigma: [0.1, 2] } : blur,
    solarize: solarize.p === 0 ? { p: 0, threshold: 128 } : solarize,
  };
}

test.each(Object.keys(recipes))(
  'any setting of the sliders over %s is what the service resolves',
  (recipe) => {
    const base = knobsOf(recipes[recipe]!.views);
    fc.assert(
      fc.property(fc.infiniteStream(anySetting), (settings) => {
        const views = base.map((view): ViewKnobs => {
          const { value: setting } = settings.next();
          const { count, size, scale, ratio, interpolation, ...pixels } = setting;
          const crop = view.crop === null ? null : { size, scale, ratio, interpolation };
          return { name: view.name, count: view.count === null ? null : Math.max(2, count), crop, ...pixels };
        });
        expect(knobsOf(resolved(draftOf(recipe, views))).map(told)).toEqual(views.map(told));
      }),
      { numRuns: 8 },
    );
  },
);

test('a text that YAML would take for something else is quoted', () => {
  const texts = [
    'true',
    'No',
    '1.5',
    '',
    ' a',
    'a: b',
    '#x',
    '2026-01-01',
    '~',
    "it's",
    '"',
    's3://b/p?x=1',
    '-',
    'é\n',
  ];
  for (const text of texts)
    expect(parse(toYaml({ url: text, list: [text] }))).toEqual({ url: text, list: [text] });
});

test('a resolved spec has a line for each transform, and reads back as it was', () => {
  const { views } = recipes.dino!;
  const yaml = toYaml({ views: views as never });
  expect(yaml.split('\n').slice(0, 4)).toEqual([
    'views:',
    '  - name: global_0',
    '    transforms:',
    '      - { name: random_resized_crop, size: [224, 224], scale: [0.4, 1], ratio: [0.75, 1.3333333333333333], interpolation: bicubic }',
  ]);
  expect(parse(yaml)).toEqual({ views });
});

test('whatever JSON a spec holds reads back as it was', () => {
  const word = fc.string({ unit: 'grapheme-ascii', maxLength: 12 });
  const { tree } = fc.letrec<{ tree: Yaml }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      word,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(word, tie('tree'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(fc.dictionary(word, tree, { minKeys: 1, maxKeys: 4, noNullPrototype: true }), (spec) => {
      expect(parse(toYaml(spec))).toEqual(spec);
    }),
    { numRuns: 400 },
  );
});
