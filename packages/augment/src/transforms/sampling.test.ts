import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CompiledView,
  compileViews,
  IMAGENET,
  parseField,
  resolveViews,
  TransformRegistry,
  type ViewParams,
  viewsInput,
} from '../index.js';
import { jitterOrder } from './color-jitter.js';
import { roundHalfToEven } from './transform.js';

const registry = new TransformRegistry();

function views(input: unknown): CompiledView[] {
  const resolved = resolveViews(parseField(viewsInput, input, 'views'), null, {
    registry,
    normalization: IMAGENET,
  });
  return compileViews(resolved, { layout: 'nchw' }, registry);
}

const view = (input: object): CompiledView => views({ view: input })[0]!;

function draws(compiled: CompiledView, count: number, image = { width: 500, height: 375 }): ViewParams[] {
  return Array.from({ length: count }, (_, sampleId) =>
    compiled.sample({ seed: 1, epoch: 0, sampleId, ...image }),
  );
}

const share = (params: ViewParams[], hit: (one: ViewParams) => boolean) =>
  params.filter(hit).length / params.length;

const side = fc.integer({ min: 1, max: 3000 });
const image = fc.record({ width: side, height: side });
const address = fc.record({
  seed: fc.maxSafeNat(),
  epoch: fc.nat(1_000_000),
  sampleId: fc.maxSafeNat(),
});

describe('random_resized_crop', () => {
  const interval = (min: number, max: number) =>
    fc
      .tuple(fc.double({ min, max, noNaN: true }), fc.double({ min, max, noNaN: true }))
      .map(([a, b]) => (a <= b ? [a, b] : [b, a]));

  it('draws boxes of at least a pixel inside the image, for any image, scale and ratio', () => {
    fc.assert(
      fc.property(address, image, interval(0, 1), interval(0.01, 100), (at, size, scale, ratio) => {
        const { box } = view({ size: 8, scale, ratio }).sample({ ...at, ...size });
        const [x, y, w, h] = box!;
        expect(box!.every(Number.isInteger)).toBe(true);
        expect(x >= 0 && y >= 0 && w >= 1 && h >= 1).toBe(true);
        expect(x + w <= size.width && y + h <= size.height).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps to the scale and the ratio, but for rounding to pixels', () => {
    for (const { box } of draws(view({ size: 8, scale: [0.1, 0.3] }), 2000, { width: 2000, height: 2000 })) {
      const [, , w, h] = box!;
      expect((w * h) / 4e6).toBeGreaterThan(0.099);
      expect((w * h) / 4e6).toBeLessThan(0.301);
      expect(w / h).toBeGreaterThan(0.748);
      expect(w / h).toBeLessThan(1.336);
    }
  });

  it('spreads scale and the logarithm of the ratio evenly', () => {
    const boxes = draws(view({ size: 8, scale: [0.2, 0.4] }), 4000, { width: 2000, height: 2000 }).map(
      ({ box }) => box!,
    );
    for (let tenth = 0; tenth < 10; tenth++) {
      const low = 0.2 + 0.02 * tenth;
      const inScale = boxes.filter(([, , w, h]) => (w * h) / 4e6 >= low && (w * h) / 4e6 < low + 0.02).length;
      expect(inScale / 4000).toBeGreaterThan(0.08);
      expect(inScale / 4000).toBeLessThan(0.12);
      const step = (2 * Math.log(4 / 3)) / 10;
      const log = (w: number, h: number) => Math.log(w / h) + Math.log(4 / 3);
      const inRatio = boxes.filter(([, , w, h]) => Math.floor(log(w, h) / step) === tenth).length;
      expect(inRatio / 4000).toBeGreaterThan(0.08);
      expect(inRatio / 4000).toBeLessThan(0.12);
    }
  });

  it('falls back after ten misses to the largest centred box of an allowed ratio', () => {
    const full = view({ size: 8, scale: [1, 1], ratio: [1, 1] });
    expect(full.sample({ seed: 0, epoch: 0, sampleId: 0, width: 100, height: 31 }).box).toEqual([
      34, 0, 31, 31,
    ]);
    expect(full.sample({ seed: 0, epoch: 0, sampleId: 0, width: 30, height: 101 }).box).toEqual([
      0, 35, 30, 30,
    ]);
    const wide = view({ size: 8, scale: [1, 1] });
    expect(wide.sample({ seed: 0, epoch: 0, sampleId: 0, width: 900, height: 1 }).box).toEqual([
      449, 0, 1, 1,
    ]);
    const tall = view({ size: 8, scale: [1, 1], ratio: [3, 4] });
    expect(tall.sample({ seed: 0, epoch: 0, sampleId: 0, width: 1, height: 900 }).box).toEqual([
      0, 449, 1, 1,
    ]);
  });

  it('says the size as a side or as [width, height]', () => {
    const at = { seed: 0, epoch: 0, sampleId: 0, width: 50, height: 50 };
    expect(view({ size: 8 }).sample(at).size).toBe(8);
    expect(view({ size: [8, 16] }).sample(at).size).toEqual([16, 8]);
    expect(view({ size: [8, 16] }).shape).toEqual([3, 8, 16]);
  });
});

describe('rounding', () => {
  it('goes to the nearest integer, halves to even, as Python does', () => {
    const pairs = [
      [0.5, 0],
      [1.5, 2],
      [2.5, 2],
      [-0.5, 0],
      [-1.5, -2],
      [2.4999, 2],
      [2.5001, 3],
      [7, 7],
    ];
    for (const [x, rounded] of pairs) expect(roundHalfToEven(x!) + 0).toBe(rounded);
  });
});

describe('resize and center_crop', () => {
  const evaluation = view({ transforms: [{ resize: 256 }, { center_crop: 224 }] });
  const at = (width: number, height: number) =>
    evaluation.sample({ seed: 0, epoch: 0, sampleId: 0, width, height });

  it("compute torchvision's sizes", () => {
    // The long side is truncated, the crop's offset rounded half to even.
    expect(at(500, 375)).toEqual({
      ...{ resize: [341, 256], interpolation: 'bicubic', center_crop: [58, 16, 224, 224] },
      ...{ flip: false, color_jitter: null, grayscale: false, blur: null, solarize: null },
    });
    expect(at(375, 500)).toMatchObject({ resize: [256, 341], center_crop: [16, 58, 224, 224] });
    expect(at(1, 1)).toMatchObject({ resize: [256, 256], center_crop: [16, 16, 224, 224] });
  });

  it('pad a side that is too short, half of it before', () => {
    const crop = view({ transforms: [{ center_crop: [224, 100] }] });
    const params = crop.sample({ seed: 0, epoch: 0, sampleId: 0, width: 101, height: 91 });
    expect(params.center_crop).toEqual([0, -66, 100, 224]);
  });
});

describe('probabilities and ranges', () => {
  const chain = view({
    size: 8,
    transforms: [
      { horizontal_flip: { p: 0.5 } },
      { color_jitter: { p: 0.8, brightness: 0.4, contrast: [0.5, 0.7], saturation: 0.2, hue: 0.1 } },
      { grayscale: { p: 0.2 } },
      { gaussian_blur: { p: 0.1, sigma: [0.1, 2] } },
      { solarize: { p: 0.3, threshold: 100 } },
    ],
  });
  const params = draws(chain, 10_000);

  it('apply each transform as often as its own probability says', () => {
    const near = (value: number, p: number) => expect(Math.abs(value - p)).toBeLessThan(0.02);
    near(
      share(params, (one) => one.flip === true),
      0.5,
    );
    near(
      share(params, (one) => one.color_jitter !== null),
      0.8,
    );
    near(
      share(params, (one) => one.grayscale === true),
      0.2,
    );
    near(
      share(params, (one) => one.blur !== null),
      0.1,
    );
    near(
      share(params, (one) => one.solarize === 100),
      0.3,
    );
    near(
      share(params, (one) => one.flip === true && one.grayscale === true),
      0.1,
    );
  });

  it('draw factors from their ranges, as float32', () => {
    for (const { color_jitter: jitter, blur } of params) {
      if (jitter) {
        const within = (value: number, lo: number, hi: number) =>
          value >= Math.fround(lo) && value <= Math.fround(hi);
        const { brightness, contrast, saturation, hue } = jitter;
        const ok =
          within(brightness!, 0.6, 1.4) &&
          within(contrast!, 0.5, 0.7) &&
          within(saturation!, 0.8, 1.2) &&
          within(hue!, -0.1, 0.1) &&
          jitter.order.every((name) => Math.fround(jitter[name]!) === jitter[name]);
        expect(ok, JSON.stringify(jitter)).toBe(true);
      }
      if (blur) expect(blur.sigma >= Math.fround(0.1) && blur.sigma <= 2).toBe(true);
    }
  });

  it('draw each of the 24 orders of the jitter alike', () => {
    expect(new Set(Array.from({ length: 24 }, (_, rank) => jitterOrder(rank).join())).size).toBe(24);
    expect([jitterOrder(0), jitterOrder(23)]).toEqual([
      [0, 1, 2, 3],
      [3, 2, 1, 0],
    ]);
    const counts = new Map<string, number>();
    for (const { color_jitter } of params) {
      if (color_jitter)
        counts.set(color_jitter.order.join(), (counts.get(color_jitter.order.join()) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    for (const count of counts.values()) expect(count / 8000).toBeGreaterThan(0.03);
  });

  it('never at 0, always at 1', () => {
    const never = draws(
      view({ size: 8, transforms: [{ solarize: { p: 0 } }, { horizontal_flip: { p: 1 } }] }),
      1000,
    );
    expect(never.every((one) => one.solarize === null && one.flip === true)).toBe(true);
  });

  it('leave out factors that change nothing', () => {
    const jitter = draws(
      view({ size: 8, transforms: [{ color_jitter: { p: 1, contrast: 0.3, hue: 0 } }] }),
      20,
    );
    for (const { color_jitter } of jitter) {
      expect(color_jitter).toMatchObject({
        order: ['contrast'],
        brightness: null,
        saturation: null,
        hue: null,
      });
    }
  });
});

describe('no draw shifts another', () => {
  const transforms = (flip: number, jitter: object, rest: (object | string)[] = []) => [
    { horizontal_flip: { p: flip } },
    { color_jitter: jitter },
    { gaussian_blur: { p: 0.5 } },
    ...rest,
  ];
  const base = draws(view({ size: 8, scale: [0.1, 1], transforms: transforms(0.5, { p: 0.8 }) }), 300);

  it("when a transform's probability or range changes", () => {
    const other = draws(
      view({ size: 8, scale: [0.1, 1], transforms: transforms(0.9, { p: 0.1, hue: 0.5 }) }),
      300,
    );
    other.forEach(({ box, blur }, index) => {
      expect({ box, blur }).toEqual({ box: base[index]!.box, blur: base[index]!.blur });
    });
  });

  it('when one is added behind', () => {
    const chain = transforms(0.5, { p: 0.8 }, [{ solarize: { p: 0.5 } }, 'normalize']);
    const longer = draws(view({ size: 8, scale: [0.1, 1], transforms: chain }), 300);
    longer.forEach((params, index) => {
      expect({ ...params, solarize: null }).toEqual(base[index]);
    });
  });

  it('when a jitter has fewer factors', () => {
    const fewer = draws(
      view({ size: 8, scale: [0.1, 1], transforms: transforms(0.5, { p: 0.8, saturation: 0.2 }) }),
      300,
    );
    fewer.forEach(({ color_jitter }, index) => {
      expect(color_jitter?.saturation).toBe(base[index]!.color_jitter?.saturation);
    });
  });

  it('when another sample, epoch, seed or view is drawn first', () => {
    const compiled = view({ size: 8 });
    const at = { seed: 5, epoch: 2, sampleId: 77, width: 300, height: 200 };
    const first = compiled.sample(at);
    compiled.sample({ ...at, seed: 6 });
    compiled.sample({ ...at, epoch: 3 });
    compiled.sample({ ...at, sampleId: 78 });
    expect(compiled.sample(at)).toEqual(first);
    const others = [{ seed: 6 }, { epoch: 3 }, { sampleId: 78 }].map((change) =>
      compiled.sample({ ...at, ...change }),
    );
    for (const other of others) expect(other.box).not.toEqual(first.box);
  });
});

describe('seeds of views', () => {
  const same = (a: CompiledView, b: CompiledView) =>
    draws(a, 50).every((one, index) => JSON.stringify(one.box) === JSON.stringify(draws(b, 50)[index]!.box));

  it('yoke views of equal seeds, at any size', () => {
    const [student, teacher, other] = views({
      student: { size: 8, seed: 42 },
      teacher: { size: 32, seed: 42 },
      other: { size: 8, seed: 43 },
    });
    expect(same(student!, teacher!)).toBe(true);
    expect(same(student!, other!)).toBe(false);
  });

  it('give each view of a seeded group its own stream, whatever its name', () => {
    const group = views({ local: { count: 8, size: 8, seed: 42 } });
    const first = group.map((one) =>
      JSON.stringify(one.sample({ seed: 1, epoch: 0, sampleId: 0, width: 500, height: 375 }).box),
    );
    expect(new Set(first).size).toBe(8);
    const renamed = views({ crop: { count: 8, size: 8, seed: 42 } });
    expect(same(group[3]!, renamed[3]!)).toBe(true);
  });

  it('make neighbouring seeds unrelated: no view replays another sample or epoch', () => {
    const [zero, one] = views({ a: { size: 8, seed: 0 }, b: { size: 8, seed: 1 } });
    const boxes = (compiled: CompiledView, seed: number) =>
      Array.from({ length: 100 }, (_, index) =>
        compiled
          .sample({ seed, epoch: index % 10, sampleId: Math.floor(index / 10), width: 4000, height: 3000 })
          .box!.join(),
      );
    const all = [zero!, one!].flatMap((compiled) => [0, 1, 2].flatMap((seed) => boxes(compiled, seed)));
    expect(new Set(all).size).toBe(all.length);
  });
});
