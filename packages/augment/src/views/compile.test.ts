import { PixelKernels, reference } from '@cropstream/kernels';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyParams,
  compileViews,
  IMAGENET,
  PARAM_COLUMNS,
  paramsToRow,
  parseField,
  RECIPES,
  type ResolvedView,
  resolveViews,
  rowToParams,
  StageTimings,
  TransformRegistry,
  type ViewParams,
  viewsInput,
} from '../index.js';

const registry = new TransformRegistry();
const context = { registry, normalization: IMAGENET };
const resolved = (input: unknown): ResolvedView[] =>
  resolveViews(parseField(viewsInput, input, 'views'), null, context);
const recipe = (name: string): ResolvedView[] => resolveViews(undefined, RECIPES[name]!, context);

function loaded(width: number, height: number): PixelKernels {
  const kernels = PixelKernels.create();
  const source = kernels.allocateSource(width, height);
  for (let at = 0; at < source.length; at++) source[at] = at % 4 === 3 ? 255 : (at * at * 31 + at * 7) % 256;
  return kernels;
}

describe('compiled views', () => {
  it('know shape, dtype and bytes in both layouts', () => {
    const views = resolved({
      small: { size: [16, 24] },
      half: { size: 16, transforms: [{ normalize: { dtype: 'bfloat16' } }] },
      full: { size: 16, transforms: ['normalize'] },
    });
    const [small, half, full] = compileViews(views, { layout: 'nchw' });
    expect(small).toMatchObject({
      shape: [3, 16, 24],
      dtype: 'uint8',
      bytesPerSample: 3 * 16 * 24,
      layout: 'nchw',
    });
    expect(half).toMatchObject({ dtype: 'bfloat16', bytesPerSample: 2 * 3 * 16 * 16 });
    expect(full).toMatchObject({ dtype: 'float32', bytesPerSample: 4 * 3 * 16 * 16 });
    expect(compileViews(views, { layout: 'nhwc' })[0]!.shape).toEqual([16, 24, 3]);
  });

  it('apply what was decided, in the order of the chain', () => {
    const kernels = loaded(80, 60);
    const [view] = compileViews(
      resolved({ a: { size: 16, transforms: [{ solarize: { p: 1 } }, { horizontal_flip: { p: 1 } }] } }),
      { layout: 'nhwc' },
    );
    const params = view!.sample({ seed: 3, epoch: 0, sampleId: 1, width: 80, height: 60 });
    // In the order of the chain; what it does not have comes last, as not applied.
    const keys = ['box', 'size', 'interpolation', 'solarize', 'flip', 'color_jitter', 'grayscale', 'blur'];
    expect(Object.keys(params)).toEqual(keys);
    view!.apply(kernels, params);
    const packed = new Uint8Array(view!.bytesPerSample + 8);
    expect(view!.pack(kernels, packed, 8)).toBe(view!.bytesPerSample);

    kernels.begin();
    const source = kernels.readPixels();
    const [x, y, width, height] = params.box!;
    const cropped = reference.resize(reference.crop(source, { x, y, width, height }), 16, 16, 'bicubic');
    const expected = reference.flipHorizontal(reference.solarize(cropped, 128));
    expect(packed.subarray(8)).toEqual(expected.data);
  });

  it('make of a resized image only what its centre crop keeps', () => {
    const [view] = compileViews(recipe('eval'), { layout: 'nhwc' });
    for (const [width, height] of [
      [1, 40],
      [40, 1],
      [3, 20],
    ] as const) {
      const kernels = loaded(width, height);
      const params = view!.sample({ seed: 0, epoch: 0, sampleId: 0, width, height });
      view!.apply(kernels, params);
      const made = kernels.readPixels();
      kernels.begin();
      const [x, y, cropWidth, cropHeight] = params.center_crop!;
      const whole = reference.resize(kernels.readPixels(), ...params.resize!, params.interpolation!);
      expect(made).toEqual(reference.crop(whole, { x, y, width: cropWidth, height: cropHeight }));
    }
    const long = loaded(1, 16_000);
    view!.apply(long, view!.sample({ seed: 0, epoch: 0, sampleId: 0, width: 1, height: 16_000 }));
    expect([long.width, long.height]).toEqual([224, 224]);
    expect(long.memoryBytes).toBeLessThan(16 * 1024 * 1024);
  });

  it('give the same pixels from parameters that went through JSON', () => {
    const kernels = loaded(200, 150);
    for (const name of ['dino', 'dinov2', 'mocov3', 'eval', 'lesson-cifar10']) {
      for (const view of compileViews(recipe(name), { layout: 'nchw' }).slice(0, 3)) {
        const params = view.sample({ seed: 3, epoch: 1, sampleId: 5, width: 200, height: 150 });
        view.apply(kernels, params);
        const first = kernels.readPixels().data.slice();
        applyParams(kernels, JSON.parse(JSON.stringify(params)) as ViewParams, registry);
        expect(Buffer.compare(kernels.readPixels().data, first), `${name} ${view.name}`).toBe(0);
      }
    }
  });

  it('refuse parameters that no transform owns', () => {
    expect(() =>
      applyParams(
        loaded(8, 8),
        { box: [0, 0, 4, 4], size: 4, interpolation: 'bicubic', blurr: null },
        registry,
      ),
    ).toThrow(
      expect.objectContaining({ code: 'SPEC_INVALID', details: expect.objectContaining({ field: 'blurr' }) }),
    );
  });

  it('book the time of each stage', () => {
    const kernels = loaded(200, 150);
    const timings = new StageTimings();
    const [view] = compileViews(recipe('lesson-imagenet'), { layout: 'nchw' });
    view!.apply(kernels, view!.sample({ seed: 3, epoch: 1, sampleId: 5, width: 200, height: 150 }), timings);
    timings.measure('pack', () => view!.pack(kernels, new Uint8Array(view!.bytesPerSample), 0));
    for (const stage of ['resize', 'color', 'blur', 'pack'] as const)
      expect(timings[stage]).toBeGreaterThan(0);
    expect(timings.decode).toBe(0);
    expect(timings.total).toBeCloseTo(timings.resize + timings.color + timings.blur + timings.pack);
  });
});

describe('the parameter tensor', () => {
  it('has these columns, which readers know by heart', () => {
    expect(PARAM_COLUMNS).toEqual([
      'box_x',
      'box_y',
      'box_width',
      'box_height',
      'source_width',
      'source_height',
      'flip',
      'jitter_0',
      'jitter_1',
      'jitter_2',
      'jitter_3',
      'brightness',
      'contrast',
      'saturation',
      'hue',
      'grayscale',
      'blur_sigma',
      'solarize_threshold',
    ]);
  });

  it('carries every decision exactly, there and back', () => {
    const width = PARAM_COLUMNS.length;
    for (const name of Object.keys(RECIPES)) {
      const views = recipe(name);
      const compiled = compileViews(views, { layout: 'nchw' });
      fc.assert(
        fc.property(
          fc.nat(),
          fc.integer({ min: 1, max: 4000 }),
          fc.integer({ min: 1, max: 4000 }),
          (sampleId, w, h) => {
            const source = { width: w, height: h };
            const table = new Float32Array(views.length * width);
            compiled.forEach((view, index) => {
              paramsToRow(
                view.sample({ seed: 1, epoch: 0, sampleId, ...source }),
                source,
                table,
                index * width,
              );
            });
            views.forEach((view, index) => {
              const back = rowToParams(view, registry, table, index * width);
              expect(back.source).toEqual(source);
              const params = compiled[index]!.sample({ seed: 1, epoch: 0, sampleId, ...source });
              expect(JSON.stringify(back.params)).toBe(JSON.stringify(params));
            });
          },
        ),
        { numRuns: 10 },
      );
    }
  });
});
