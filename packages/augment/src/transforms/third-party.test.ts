import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PixelKernels } from '@cropstream/kernels';
import { afterAll, describe, expect, it } from 'vitest';
import {
  compileViews,
  IMAGENET,
  loadTransforms,
  parseField,
  TransformRegistry as Registry,
  resolveViews,
  type TransformRegistry,
  viewsInput,
} from '../index.js';

const EXAMPLE = fileURLToPath(new URL('../../../../examples/transforms/posterize.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'transforms-'));
afterAll(() => rmSync(folder, { recursive: true }));

const resolve = (input: unknown, registry: TransformRegistry) =>
  resolveViews(parseField(viewsInput, input, 'views'), null, { registry, normalization: IMAGENET });

function moduleOf(name: string, source: string): string {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, source);
  return path;
}

const body = (fields: string) => `export default { name: 'mine', version: '1', ${fields} };`;
const at = { seed: 1, epoch: 0, width: 32, height: 32 };

function noise(): PixelKernels {
  const kernels = PixelKernels.create();
  kernels.allocateSource(32, 32).forEach((_, index, source) => {
    source[index] = (index * 37) % 256;
  });
  return kernels;
}

describe('third-party transforms', () => {
  it('join the list, with their version in the resolved view', async () => {
    const registry = await loadTransforms([EXAMPLE]);
    expect(registry.names).toContain('posterize');
    expect(registry.versions).toEqual(['posterize@1.0.0']);
    const views = resolve(
      { a: { size: 8, transforms: [{ posterize: { p: 0.5, bits: [2, 6] } }, 'horizontal_flip'] } },
      registry,
    );
    expect(views[0]!.transforms[1]).toEqual({
      name: 'posterize',
      version: '1.0.0',
      p: 0.5,
      options: { bits: [2, 6] },
    });
    expect(resolve(JSON.parse(JSON.stringify(views)), registry)).toEqual(views);
  });

  it('decide from addressed draws and make the pixels that they say', async () => {
    const registry = await loadTransforms([EXAMPLE]);
    const chain = (p: number) => ({
      a: { size: 8, transforms: [{ posterize: { p, bits: [1, 8] } }, { horizontal_flip: { p: 0.5 } }] },
    });
    const [view] = compileViews(resolve(chain(1), registry), { layout: 'nhwc' }, registry);
    const [rare] = compileViews(resolve(chain(0.1), registry), { layout: 'nhwc' }, registry);
    const kernels = noise();
    const seen = new Set<number>();
    for (let sampleId = 0; sampleId < 100; sampleId++) {
      const params = view!.sample({ ...at, sampleId });
      const { bits } = params.posterize as { bits: number };
      seen.add(bits);
      expect(rare!.sample({ ...at, sampleId }).flip).toBe(params.flip);
      view!.apply(kernels, params);
      expect(kernels.readPixels().data.every((level) => level % 2 ** (8 - bits) === 0)).toBe(true);
    }
    expect(seen).toEqual(new Set([1, 2, 3, 4, 5, 6, 7, 8]));
  });

  it('check their own fields, and the version of a spec that was resolved with another', async () => {
    const registry = await loadTransforms([EXAMPLE]);
    const fails = (entry: object, field: string) =>
      expect(() => resolve({ a: { size: 8, transforms: [entry] } }, registry)).toThrow(
        expect.objectContaining({ code: 'SPEC_INVALID', details: expect.objectContaining({ field }) }),
      );
    fails({ posterize: { bits: [0, 9] } }, 'views.a.transforms[0].posterize');
    fails({ posterize: { p: 3 } }, 'views.a.transforms[0].posterize.p');
    fails(
      { name: 'posterize', version: '0.9', p: 1, options: { bits: [1, 2] } },
      'views.a.transforms[0].version',
    );
  });

  it('are unknown to a service that did not register them', () => {
    expect(() => resolve({ a: { size: 8, transforms: ['posterize'] } }, new Registry())).toThrow(
      expect.objectContaining({ code: 'TRANSFORM_UNKNOWN' }),
    );
  });

  const functions = 'sample: () => ({}), apply: (image) => image';
  const broken: [string, string, RegExp][] = [
    ['no-export', 'export const x = 1;', /default export/],
    ['no-version', `export default { name: 'mine', ${functions} };`, /version/],
    ['bad-name', `export default { name: 'My-Thing', version: '1', ${functions} };`, /name/],
    ['taken', `export default { name: 'solarize', version: '1', ${functions} };`, /taken/],
    ['key', `export default { name: 'box', version: '1', ${functions} };`, /taken/],
    ['throws', 'throw new Error("no luck");', /no luck/],
  ];

  it.each(broken)('refuses a module: %s', async (name, source, reason) => {
    await expect(loadTransforms([moduleOf(name, source)])).rejects.toThrow(
      expect.objectContaining({ code: 'TRANSFORM_INVALID', problem: expect.stringMatching(reason) }),
    );
  });

  it('refuses two of a name, and a path that is not there', async () => {
    await expect(loadTransforms([EXAMPLE, EXAMPLE])).rejects.toThrow(/twice/);
    await expect(loadTransforms([join(folder, 'none.mjs')])).rejects.toThrow(
      expect.objectContaining({ code: 'TRANSFORM_INVALID' }),
    );
  });

  it('is told by name when it breaks the contract at work', async () => {
    const use = async (name: string, fields: string) => {
      const registry = await loadTransforms([moduleOf(name, body(fields))]);
      const [view] = compileViews(
        resolve({ a: { size: 8, transforms: ['mine'] } }, registry),
        { layout: 'nchw' },
        registry,
      );
      const kernels = noise();
      view!.apply(kernels, view!.sample({ ...at, sampleId: 0 }));
    };
    const invalid = (reason: RegExp) =>
      expect.objectContaining({ code: 'TRANSFORM_INVALID', problem: expect.stringMatching(reason) });
    await expect(
      use('size', 'sample: () => ({}), apply: () => ({ width: 1, height: 1, data: new Uint8Array(3) })'),
    ).rejects.toThrow(invalid(/8 x 8/));
    await expect(use('void', 'sample: () => ({}), apply: () => undefined')).rejects.toThrow(invalid(/8 x 8/));
    await expect(use('nothing', 'sample: () => undefined, apply: (image) => image')).rejects.toThrow(
      invalid(/returned nothing/),
    );
    await expect(
      use('greedy', 'sample: (_, random) => { for (;;) random.uniform(); }, apply: (image) => image'),
    ).rejects.toThrow(invalid(/255 draws/));
  });
});
