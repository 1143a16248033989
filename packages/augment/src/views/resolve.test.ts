import { describe, expect, it } from 'vitest';
import {
  IMAGENET,
  MAX_VIEWS,
  parseField,
  RECIPES,
  type ResolvedTransform,
  type ResolvedView,
  resolveViews,
  TransformRegistry,
  viewsInput,
} from '../index.js';

const registry = new TransformRegistry();

function resolve(input: unknown, recipe?: string): ResolvedView[] {
  const parsed = input === undefined ? undefined : parseField(viewsInput, input, 'views');
  return resolveViews(parsed, recipe === undefined ? null : RECIPES[recipe]!, {
    registry,
    normalization: IMAGENET,
  });
}

const names = (views: readonly ResolvedView[]) => views.map(({ name }) => name);
const crop = (view: ResolvedView | undefined): ResolvedTransform | undefined => view?.transforms[0];
const find = (views: readonly ResolvedView[], name: string) => views.find((view) => view.name === name);

describe('forms of views', () => {
  it('named views, each with its size, scale, ratio, seed and chain', () => {
    const views = resolve({
      global_0: { size: 224, scale: [0.4, 1], seed: 42, transforms: ['horizontal_flip', 'normalize'] },
      local_0: { size: [96, 64], ratio: [1, 2], interpolation: 'bilinear', transforms: [] },
    });
    expect(views).toEqual([
      {
        name: 'global_0',
        seed: 42,
        transforms: [
          {
            name: 'random_resized_crop',
            size: [224, 224],
            scale: [0.4, 1],
            ratio: [3 / 4, 4 / 3],
            interpolation: 'bicubic',
          },
          { name: 'horizontal_flip', p: 0.5 },
          { name: 'normalize', mean: IMAGENET.mean, std: IMAGENET.std, dtype: 'float32' },
        ],
      },
      {
        name: 'local_0',
        transforms: [
          {
            name: 'random_resized_crop',
            size: [96, 64],
            scale: [0.08, 1],
            ratio: [1, 2],
            interpolation: 'bilinear',
          },
        ],
      },
    ]);
  });

  it('count makes a numbered group, a seed over it numbered streams', () => {
    const views = resolve({ local: { count: 8, size: 96, seed: 7 }, whole: { size: 32 } });
    expect(names(views)).toEqual([...Array.from({ length: 8 }, (_, index) => `local_${index}`), 'whole']);
    expect(views[3]).toMatchObject({ seed: 7, copy: 3 });
    expect(resolve({ local: { count: 1, size: 96 } })[0]).not.toHaveProperty('copy');
  });

  it('the uniform form and the list', () => {
    expect(names(resolve({ num_crops: 2, size: 224 }))).toEqual(['view_0', 'view_1']);
    expect(names(resolve([{ size: 8 }, { name: 'big', size: 9 }, { size: 10 }]))).toEqual([
      'view_0',
      'big',
      'view_2',
    ]);
  });

  it('writes of a transform', () => {
    const entries = [
      'horizontal_flip',
      { horizontal_flip: null },
      { horizontal_flip: { p: 0.5 } },
      { name: 'horizontal_flip', p: 0.5 },
    ];
    for (const entry of entries) {
      expect(resolve({ a: { size: 8, transforms: [entry] } })[0]!.transforms[1]).toEqual({
        name: 'horizontal_flip',
        p: 0.5,
      });
    }
  });

  it('a resolved view resolves to itself', () => {
    for (const name of Object.keys(RECIPES)) {
      const views = resolve(undefined, name);
      expect(resolve(JSON.parse(JSON.stringify(views)))).toEqual(views);
    }
    const seeded = resolve({ local: { count: 2, size: 8, seed: 3 } });
    expect(resolve(JSON.parse(JSON.stringify(seeded)))).toEqual(seeded);
  });

  it("takes color_jitter's factors as torchvision does", () => {
    const jitter = (fields?: object) =>
      resolve({ a: { size: 8, transforms: [{ color_jitter: fields }] } })[0]!.transforms[1];
    expect(jitter({ brightness: 1.5, hue: [-0.2, 0.3] })).toMatchObject({
      brightness: [0, 2.5],
      contrast: null,
      saturation: null,
      hue: [-0.2, 0.3],
    });
    expect(jitter({})).toMatchObject({
      p: 0.8,
      brightness: [0.6, 1.4],
      saturation: [0.8, 1.2],
      hue: [-0.1, 0.1],
    });
  });
});

describe('a recipe with views on top', () => {
  it('merges by name, keeps order and all else', () => {
    const views = resolve({ global_1: { size: 160, seed: 5 } }, 'dino');
    const base = resolve(undefined, 'dino');
    expect(names(views)).toEqual(names(base));
    expect(crop(views[1])).toMatchObject({ size: [160, 160], scale: [0.4, 1] });
    expect(views[1]).toMatchObject({ seed: 5 });
    expect(views[1]!.transforms.slice(1)).toEqual(base[1]!.transforms.slice(1));
    expect(views[0]).toEqual(base[0]);
  });

  it("merges into a whole group by the group's name, single views last", () => {
    const views = resolve(
      { local_3: { size: 64 }, local: { size: 112 }, global: { scale: [0.5, 1] } },
      'dino',
    );
    expect(crop(find(views, 'local_0'))).toMatchObject({ size: [112, 112] });
    expect(crop(find(views, 'local_3'))).toMatchObject({ size: [64, 64] });
    expect(crop(views[0])).toMatchObject({ scale: [0.5, 1] });
    expect(crop(views[1])).toMatchObject({ scale: [0.5, 1] });
  });

  it('makes groups shorter and longer; what is added repeats the last', () => {
    expect(names(resolve({ local: { count: 2 } }, 'dino'))).toEqual([
      'global_0',
      'global_1',
      'local_0',
      'local_1',
    ]);
    const three = resolve({ global: { count: 3 }, local: null }, 'dino');
    expect(names(three)).toEqual(['global_0', 'global_1', 'global_2']);
    expect(three[2]!.transforms).toEqual(three[1]!.transforms);
    const seeded = resolve({ global_1: { seed: 9 }, global: { count: 4 } }, 'dino');
    expect(seeded.map(({ seed, copy }) => [seed, copy])).toContainEqual([9, undefined]);
  });

  it('numbers the streams of a group that gets one seed', () => {
    const views = resolve({ global: { seed: 1 } }, 'dino');
    expect(views.slice(0, 3).map(({ seed, copy }) => [seed, copy])).toEqual([
      [1, 0],
      [1, 1],
      [undefined, undefined],
    ]);
  });

  it('removes by null and adds new names', () => {
    const views = resolve({ local_7: null, extra: { size: 32 }, local: { size: 64 } }, 'dino');
    expect(names(views)).toEqual([
      ...names(resolve(undefined, 'dino')).filter((name) => name !== 'local_7'),
      'extra',
    ]);
  });

  it('replaces a chain, geometry included where the new one has its own', () => {
    const kept = resolve({ global_0: { transforms: ['grayscale'] } }, 'dino')[0]!;
    expect(kept.transforms.map(({ name }) => name)).toEqual(['random_resized_crop', 'grayscale']);
    expect(crop(kept)).toMatchObject({ scale: [0.4, 1] });
    const own = resolve({ global_0: { transforms: [{ center_crop: 32 }] } }, 'dino')[0]!;
    expect(own.transforms).toEqual([{ name: 'center_crop', size: [32, 32] }]);
  });

  it('a list is all the views there are', () => {
    expect(names(resolve([{ name: 'only', size: 8 }], 'dino'))).toEqual(['only']);
  });
});

describe('errors name the field, the value and what is allowed', () => {
  const flip = 'horizontal_flip';
  const cases: [string, unknown, string, RegExp][] = [
    ['unknown field', { a: { size: 8, scal: [0, 1] } }, 'views.a.scal', /^scale \(did you mean it\?\)/],
    ['no size', { a: { scale: [0.1, 1] } }, 'views.a.size', /size/],
    [
      'no geometry',
      { a: { transforms: [flip] } },
      'views.a.size',
      /random_resized_crop, resize or center_crop/,
    ],
    ['scale the wrong way round', { a: { size: 8, scale: [1, 0.5] } }, 'views.a.scale', /low <= high/],
    [
      'a size that varies',
      { a: { transforms: [{ resize: 8 }] } },
      'views.a.transforms[0].resize.size',
      /center_crop after it/,
    ],
    [
      'geometry after pixels',
      { a: { transforms: [flip, { center_crop: 8 }] } },
      'views.a.transforms[1]',
      /geometry first/,
    ],
    [
      'two geometries',
      { a: { size: 8, transforms: [{ resize: [8, 8] }] } },
      'views.a.size',
      /geometry themselves/,
    ],
    [
      'crop then resize',
      { a: { transforms: [{ center_crop: 8 }, { resize: 8 }] } },
      'views.a.transforms',
      /one geometry/,
    ],
    [
      'a transform twice',
      { a: { size: 8, transforms: [flip, flip] } },
      'views.a.transforms[1]',
      /at most once/,
    ],
    [
      'normalize not last',
      { a: { size: 8, transforms: ['normalize', flip] } },
      'views.a.transforms[0]',
      /nothing after/,
    ],
    [
      'a probability over 1',
      { a: { size: 8, transforms: [{ [flip]: { p: 2 } }] } },
      'views.a.transforms[0].horizontal_flip.p',
      /at most 1/,
    ],
    [
      'an even kernel',
      { a: { size: 8, transforms: [{ gaussian_blur: { kind: 'torchvision', kernel_size: 4 } }] } },
      'views.a.transforms[0].gaussian_blur.kernel_size',
      /odd/,
    ],
    [
      'a kernel for Pillow',
      { a: { size: 8, transforms: [{ gaussian_blur: { kernel_size: 9 } }] } },
      'views.a.transforms[0].gaussian_blur.kernel_size',
      /torchvision/,
    ],
    [
      'a kernel larger than the view',
      { a: { size: 8, transforms: [{ gaussian_blur: { kind: 'torchvision', kernel_size: 17 } }] } },
      'views.a.transforms[0].gaussian_blur.kernel_size',
      /at most 15/,
    ],
    ['a name of the batch', { labels: { size: 8 } }, 'views.labels', /fields of a batch/],
    [
      'a duplicate name',
      [
        { name: 'a', size: 8 },
        { name: 'a', size: 8 },
      ],
      'views[1].name',
      /no other view/,
    ],
    ['a removal of nothing', { a: null }, 'views.a', /no recipe/],
    ['a number without a seed', [{ size: 8, copy: 1 }], 'views[0].copy', /a seed beside it/],
    ['not views at all', 7, 'views', /mapping/],
    [
      'two names in an entry',
      { a: { size: 8, transforms: [{ grayscale: {}, solarize: {} }] } },
      'views.a.transforms[0]',
      /one name/,
    ],
  ];

  it.each(cases)('%s', (what, input, field, allowed) => {
    expect(() => resolve(input)).toThrow(
      expect.objectContaining({
        code: /^no (size|geometry)$/.test(what) ? 'SPEC_INCOMPLETE' : 'SPEC_INVALID',
        details: expect.objectContaining({ field, allowed: expect.stringMatching(allowed) }),
      }),
    );
  });

  it('an unknown transform', () => {
    expect(() => resolve({ a: { size: 8, transforms: ['hflip'] } })).toThrow(
      expect.objectContaining({
        code: 'TRANSFORM_UNKNOWN',
        details: expect.objectContaining({ field: 'views.a.transforms[0]', value: '"hflip"' }),
      }),
    );
  });

  it('limits', () => {
    const over = (field: string, limit: number) =>
      expect.objectContaining({ code: 'LIMIT_EXCEEDED', details: expect.objectContaining({ field, limit }) });
    expect(() => resolve({ a: { size: 4096 } })).toThrow(over('views.a.size', 2048));
    expect(() => resolve({ a: { size: 8, count: 65 } })).toThrow(over('views.a.count', MAX_VIEWS));
    expect(() => resolve({ a: { size: 8, count: 40 }, b: { size: 8, count: 40 } })).toThrow(
      over('views', MAX_VIEWS),
    );
  });
});
