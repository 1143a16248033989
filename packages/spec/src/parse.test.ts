import { loadTransforms, RECIPES } from '@cropstream/augment';
import { CropstreamError } from '@cropstream/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSpec, runDigest } from './index.js';

const dataset = { source: 'image-folder', url: '/data/train' };
const base = { dataset, recipe: 'dino', global_batch_size: 64 };

describe('parseSpec', () => {
  it('fills in every default', () => {
    const { views, ...spec } = parseSpec(base);
    expect(spec).toEqual({
      name: 'default',
      dataset: { source: 'image-folder', url: '/data/train', labels: 'folders' },
      recipe: 'dino',
      seed: 0,
      global_batch_size: 64,
      shuffle: true,
      drop_last: true,
      output: { layout: 'nchw' },
      on_bad_sample: 'substitute',
      exif_rotation: false,
      limits: { max_pixels: 50_000_000, max_bytes: 64 * 1024 * 1024, substitution_probes: 64 },
      chunk_size: 64,
      exclude_fields: [],
      normalization: RECIPES.dino!.normalization,
    });
    expect(views.map(({ name }) => name)).toEqual([
      'global_0',
      'global_1',
      ...Array.from({ length: 8 }, (_, index) => `local_${index}`),
    ]);
  });

  it('parses a resolved spec to itself: a run can be opened again from it alone', () => {
    const layout = fc.constantFrom('nchw', 'nhwc');
    const recipe = fc.constantFrom(...Object.keys(RECIPES));
    fc.assert(
      fc.property(recipe, fc.maxSafeNat(), layout, fc.boolean(), (name, seed, order, exif_rotation) => {
        const input = { ...base, recipe: name, seed, output: { layout: order }, decode: { exif_rotation } };
        const resolved = parseSpec(input);
        const again = parseSpec(JSON.parse(JSON.stringify(resolved)));
        expect(again).toEqual(resolved);
        expect(runDigest(again, 'm')).toBe(runDigest(resolved, 'm'));
      }),
      { numRuns: 50 },
    );
  });

  it('takes the batch from the dataset where it is not given: min(64, samples)', () => {
    const { global_batch_size: _, ...open } = base;
    expect(parseSpec(open, { samples: 10 }).global_batch_size).toBe(10);
    expect(parseSpec(open, { samples: 1000 }).global_batch_size).toBe(64);
    expect(parseSpec({ ...open, epoch_size: 20 }, { samples: 1000 }).global_batch_size).toBe(20);
    expect(() => parseSpec(open)).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ field: 'global_batch_size' }) }),
    );
  });

  it("normalises with the spec's statistics, else the recipe's, else ImageNet's", () => {
    const own = { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] };
    const view = { views: { a: { size: 8, transforms: ['normalize'] } } };
    const normalize = (input: object) =>
      parseSpec({ dataset, global_batch_size: 1, ...input })
        .views.at(-1)!
        .transforms.at(-1);
    expect(normalize({ ...view, normalization: own })).toMatchObject(own);
    expect(normalize({ ...view, recipe: 'lesson-cifar10' })).toMatchObject(
      RECIPES['lesson-cifar10']!.normalization,
    );
    expect(normalize(view)).toMatchObject(RECIPES.dino!.normalization);
  });

  it("takes the notebook's views: some normalised, some untouched, a field left out", () => {
    const spec = parseSpec({
      dataset,
      global_batch_size: 16,
      seed: 42,
      views: {
        global_0: { size: 224, scale: [0.4, 1.0], seed: 100, transforms: ['normalize'] },
        local_0: { size: 96, scale: [0.05, 0.4], seed: 200, transforms: [] },
      },
      exclude_fields: ['path', 'path'],
    });
    expect(spec.views.map(({ transforms }) => transforms.at(-1)!.name)).toEqual([
      'normalize',
      'random_resized_crop',
    ]);
    expect(spec.exclude_fields).toEqual(['path']);
  });

  it('knows registered transforms only', async () => {
    const views = { a: { size: 8, transforms: ['posterize'] } };
    const transforms = await loadTransforms([
      new URL('../../../examples/transforms/posterize.mjs', import.meta.url).pathname,
    ]);
    expect(parseSpec({ ...base, recipe: null, views }, { transforms }).views[0]!.transforms[1]).toMatchObject(
      { version: '1.0.0' },
    );
    expect(() => parseSpec({ ...base, recipe: null, views })).toThrow(
      expect.objectContaining({ code: 'TRANSFORM_UNKNOWN' }),
    );
  });

  const errors: [object | null, string, RegExp][] = [
    [{ ...base, recipie: 'dino' }, 'recipie', /^recipe \(did you mean it\?\)/],
    [{ ...base, recipe: 'dinov4' }, 'recipe', /^dinov[23] \(did you mean it\?\), or one of dino, /],
    [{ ...base, dataset: '/data/train' }, 'dataset', /^a mapping, such as \{ source: image-folder, url/],
    [{ ...base, dataset: { source: 'folder', url: '/x' } }, 'dataset.source', /image-folder, cifar10/],
    [{ ...base, dataset: { source: 'image-folder', ur: '/x' } }, 'dataset.ur', /^url \(did you mean it\?\)/],
    [{ ...base, seed: -1 }, 'seed', /at least 0/],
    [{ ...base, seed: 2 ** 53 }, 'seed', /at most 9007199254740991/],
    [{ ...base, seed: '42' }, 'seed', /integer|number/],
    [{ ...base, shuffle: 'yes' }, 'shuffle', /true or false/],
    [{ ...base, shuffle_window: { blocks: 4 } }, 'shuffle', /^window, which shuffle_window is for/],
    [
      { ...base, dataset: { source: 'mix', datasets: [{ ...base.dataset, weight: 0 }] } },
      'dataset.datasets[0].weight',
      /^a number above 0$/,
    ],
    [{ ...base, output: { layout: 'chw' } }, 'output.layout', /one of nchw, nhwc/],
    [{ ...base, exclude_fields: ['labels'] }, 'exclude_fields[0]', /every batch has/],
    [{ ...base, normalization: { mean: [0, 0, 0], std: [1, 0, 1] } }, 'normalization.std[1]', /above 0/],
    [{ ...base, limits: { max_pixel: 1 } }, 'limits.max_pixel', /max_pixels/],
    [{ ...base, name: 'no spaces' }, 'name', /letters, digits/],
    [{ ...base, views: { global_0: { sise: 8 } } }, 'views.global_0.sise', /^size/],
    [{ ...base, views: { global_0: 8 } }, 'views.global_0', /mapping/],
    [{ ...base, views: { global_0: { scale: [0, 0] } } }, 'views.global_0.scale', /high above 0/],
    [JSON.parse('{ "__proto__": { "seed": 1 } }'), '__proto__', /no field/],
    [null, 'spec', /mapping/],
  ];

  it.each(errors)('%j is told by field', (input, field, allowed) => {
    expect(() => parseSpec(input)).toThrow(
      expect.objectContaining({
        code: 'SPEC_INVALID',
        details: expect.objectContaining({ field, allowed: expect.stringMatching(allowed) }),
      }),
    );
  });

  const missing: [object, string, RegExp][] = [
    [{ ...base, recipe: null }, 'recipe', /or views$/],
    [{ ...base, dataset: undefined }, 'dataset', /mapping/],
    [{ ...base, dataset: { source: 'cifar10' } }, 'dataset.url', /--data/],
    [{ ...base, views: { locl: { seed: 1 } } }, 'views.locl.size', /new view.*local \(did you mean it\?\)/],
  ];

  it.each(missing)('%j: a missing field is told as that', (input, field, allowed) => {
    expect(() => parseSpec(input)).toThrow(
      expect.objectContaining({
        code: 'SPEC_INCOMPLETE',
        problem: expect.stringMatching(/ is missing; expected /),
        details: expect.objectContaining({ field, allowed: expect.stringMatching(allowed) }),
      }),
    );
  });

  it('tells of all that is wrong at once, ten at most', () => {
    const views = { local: { size: 0 } };
    const problemOf = (input: object): string => {
      try {
        parseSpec(input);
      } catch (error) {
        if (error instanceof CropstreamError) return error.problem;
      }
      return '';
    };
    expect(problemOf({ ...base, sed: 1, shufle: true, seed: 'x', chunk_size: 0, views }).split('\n')).toEqual(
      [
        expect.stringMatching(/^seed: "x" is not allowed; expected a number/),
        expect.stringMatching(/^chunk_size: 0 is not allowed/),
        expect.stringMatching(/^views\.local\.size: 0 is not allowed/),
        expect.stringMatching(/^sed: 1 is not allowed; expected seed \(did you mean it\?\)/),
        expect.stringMatching(/^shufle: true is not allowed; expected shuffle \(did/),
      ],
    );
    const chain = [{ grayscale: { p: 2 } }];
    const local = { transforms: chain };
    expect(
      problemOf({ ...base, views: { global_0: { transforms: [{ solarize: { p: 3 } }] }, local } }).split(
        '\n',
      ),
    ).toEqual([
      expect.stringMatching(/^views\.global_0\.transforms\[0\]/),
      expect.stringMatching(/^views\.local\.transforms\[0\]/),
    ]);
    const many = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`field${i}`, 0]));
    expect(
      problemOf({ ...base, ...many })
        .split('\n')
        .at(-1),
    ).toBe('and 4 more');
  });

  it('names a size as it was written', () => {
    const view = { size: 224, transforms: [{ center_crop: 8 }] };
    expect(() => parseSpec({ ...base, views: { a: view } })).toThrow(/views\.a\.size: 224 is not allowed/);
  });

  it('takes one sigma for a blur of one strength', () => {
    const view = { size: 8, transforms: [{ gaussian_blur: { sigma: 0.5 } }] };
    const [resolved] = parseSpec({ ...base, recipe: null, views: { a: view } }).views;
    expect(resolved!.transforms[1]).toMatchObject({ sigma: [0.5, 0.5] });
  });

  it.each([
    ['global_batch_size', 2 ** 20 + 1],
    ['chunk_size', 1025],
  ])('limits %s', (field, value) => {
    expect(() => parseSpec({ ...base, [field]: value })).toThrow(
      expect.objectContaining({
        code: 'LIMIT_EXCEEDED',
        details: expect.objectContaining({ field, limit: value - 1 }),
      }),
    );
  });

  const many = (length: number, of: (i: number) => unknown) =>
    Object.fromEntries(Array.from({ length }, (_, i) => [`v${i}`, of(i)]));

  it.each([
    ['views', { views: many(20_000, () => ({ size: 8 })) }],
    ['views', { views: Array.from({ length: 20_000 }, () => ({ size: 8 })) }],
    ['views.a.transforms', { views: { a: { size: 8, transforms: Array(40_000).fill('horizontal_flip') } } }],
    ['fields', many(200_000, () => 1)],
    ['fields', { views: { a: many(200_000, () => 1) } }],
    ['fields', { dataset: Array.from({ length: 200_000 }, () => ({ source: 1 })) }],
  ])('refuses by its size alone what would take long to look at: %s', (field, bomb) => {
    expect(() => parseSpec({ ...base, ...bomb })).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED', details: expect.objectContaining({ field }) }),
    );
  });
});
