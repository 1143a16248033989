import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadSpecFile, parseSpec, specJsonSchema } from './index.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'specs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const unreadable = (reason: RegExp) =>
  expect.objectContaining({ code: 'SPEC_UNREADABLE', problem: expect.stringMatching(reason) });

describe('spec files', () => {
  it('are YAML or JSON', async () => {
    const yaml = file('a.yaml', 'recipe: dino\nseed: 42\nviews:\n  local: { count: 2 }\n');
    const json = file('a.json', '{ "recipe": "dino", "seed": 42, "views": { "local": { "count": 2 } } }');
    expect(await loadSpecFile(yaml)).toEqual(await loadSpecFile(json));
    expect(await loadSpecFile(file('empty.yaml', '# nothing yet\n'))).toMatchObject({ spec: {} });
  });

  it.each([
    ['none.yaml', undefined, /ENOENT/],
    ['bad.yaml', 'a: [1', /./],
    ['bad.json', '{ "a": }', /JSON/],
    ['list.yaml', '- a', /not a mapping/],
    ['twice.yaml', 'seed: 1\nseed: 2', /unique/],
    ['extends.yaml', 'extends: 7', /path or a list/],
  ])('are refused with the reason: %s', async (name, text, reason) => {
    const path = text === undefined ? join(folder, name) : file(name, text);
    await expect(loadSpecFile(path)).rejects.toThrow(unreadable(reason));
  });
});

it.each(['yaml', 'json'])('a key that JavaScript would pass over in silence is refused: %s', async (kind) => {
  const text =
    kind === 'json' ? '{"views": {"__proto__": {"size": 8}}}' : 'views: { __proto__: { size: 8 } }';
  await expect(loadSpecFile(file(`a.${kind}`, text))).rejects.toMatchObject({
    code: 'SPEC_INVALID',
    details: { field: 'views.__proto__' },
  });
});

describe('extends', () => {
  it('merges mappings, replaces lists and scalars, takes away by null; paths are relative to the file', async () => {
    file(
      'base/root.yaml',
      'seed: 1\nlimits: { max_pixels: 10, max_bytes: 20 }\nexclude_fields: [path, x]\nchunk_size: 8',
    );
    file('base/mid.yaml', 'extends: root.yaml\nlimits: { max_bytes: 30 }\nchunk_size: null');
    const top = file('top.yaml', 'extends: [base/mid.yaml]\nseed: 2\nexclude_fields: [y]');
    expect((await loadSpecFile(top)).spec).toEqual({
      seed: 2,
      limits: { max_pixels: 10, max_bytes: 30 },
      exclude_fields: ['y'],
    });
  });

  it('takes where the dataset lies as seen from the file that names it', async () => {
    file('base/root.yaml', 'dataset: { source: image-folder, url: ../photos, subset: ids.txt }');
    const top = file('top.yaml', 'extends: base/root.yaml\nseed: 1');
    expect((await loadSpecFile(top)).spec.dataset).toEqual({
      source: 'image-folder',
      url: join(folder, 'photos'),
      subset: join(folder, 'base', 'ids.txt'),
    });
    const far = file(
      'far.yaml',
      'extends: base/root.yaml\ndataset: { url: "s3://bucket/x", subset: [1, 2] }',
    );
    expect((await loadSpecFile(far)).spec.dataset).toMatchObject({ url: 's3://bucket/x', subset: [1, 2] });
    const home = file('home.yaml', 'dataset: { source: image-folder, url: ~/photos }');
    expect((await loadSpecFile(home)).spec.dataset).toMatchObject({ url: '~/photos' });
  });

  it('puts later files on top of earlier ones', async () => {
    file('a.yaml', 'seed: 1\nname: a');
    file('b.yaml', 'seed: 2');
    const top = file('top.yaml', 'extends: [a.yaml, b.yaml]');
    expect((await loadSpecFile(top)).spec).toEqual({ seed: 2, name: 'a' });
  });

  it('lets a file remove views of its base and of the recipe', async () => {
    file('base.yaml', 'recipe: dino\nviews: { extra: { size: 8 }, local: { size: 64 } }');
    const top = file('top.yaml', 'extends: base.yaml\nviews: { extra: null, local: null }');
    const { spec } = await loadSpecFile(top);
    const dataset = { source: 'image-folder', url: '/x' };
    const { views } = parseSpec({ ...spec, dataset }, { samples: 1 });
    expect(views.map(({ name }) => name)).toEqual(['global_0', 'global_1']);
  });

  it('finds a file that extends itself, and a base that is missing', async () => {
    file('a.yaml', 'extends: b.yaml');
    const b = file('b.yaml', 'extends: a.yaml');
    await expect(loadSpecFile(b)).rejects.toThrow(
      unreadable(/extends itself: .*b\.yaml -> .*a\.yaml -> .*b\.yaml/),
    );
    await expect(loadSpecFile(file('c.yaml', 'extends: none.yaml'))).rejects.toThrow(unreadable(/ENOENT/));
  });

  it('allows two files to extend one', async () => {
    file('root.yaml', 'seed: 1');
    file('a.yaml', 'extends: root.yaml');
    file('b.yaml', 'extends: root.yaml');
    const top = file('top.yaml', 'extends: [a.yaml, b.yaml]');
    expect((await loadSpecFile(top)).spec).toEqual({ seed: 1 });
  });
});

describe("the lesson's config", () => {
  const CIFAR10_CONFIG = `# Enhanced CIFAR-10 configuration with optimized multi-crop settings
defaults:
  - base_config

experiment:
  name: "dino_cifar10_multicrop"

data:
  dataset: "cifar10"
  batch_size: 128  # Adjusted for multi-crop
  
  # Optimized multi-crop parameters for CIFAR-10
  global_crops_number: 2
  local_crops_number: 6  # Reduced for small images
  global_crops_scale: [0.7, 1.0]  # Higher minimum scale
  local_crops_scale: [0.3, 0.7]   # Adjusted range
  global_crop_size: 32
  local_crop_size: 16

model:
  backbone: "resnet18"
  projection_dim: 8192
  
training:
  batch_size_per_gpu: 64  # Per-GPU batch size
  epochs: 200
`;

  it('loads unchanged, and says what it did', async () => {
    const { spec, notices, aside } = await loadSpecFile(file('cifar10_config.yaml', CIFAR10_CONFIG));
    const dataset = { ...(spec.dataset as object), url: '/data/cifar10' };
    const resolved = parseSpec({ ...spec, dataset });
    expect(resolved).toMatchObject({
      name: 'dino_cifar10_multicrop',
      recipe: 'lesson-cifar10',
      global_batch_size: 128,
      dataset: { source: 'cifar10' },
    });
    const bare = parseSpec({ recipe: 'lesson-cifar10', dataset, global_batch_size: 128 });
    expect(resolved.views).toEqual(bare.views);
    expect(aside).toEqual({
      model: { backbone: 'resnet18', projection_dim: 8192 },
      training: { batch_size_per_gpu: 64, epochs: 200 },
    });
    for (const said of [
      /base_config/,
      /lesson-cifar10/,
      /^model: kept and ignored/,
      /^training: kept and ignored/,
    ]) {
      expect(notices).toContainEqual(expect.stringMatching(said));
    }
  });

  it('builds on the base config beside it', async () => {
    const base =
      'data: { batch_size: 64, num_workers: 4, pin_memory: true, root: ./data }\nexperiment: { name: base, seed: 7 }\ntraining: { lr: 1 }';
    file('base_config.yaml', base);
    const { spec, notices, aside } = await loadSpecFile(file('cifar10_config.yaml', CIFAR10_CONFIG));
    expect(spec).toMatchObject({
      name: 'dino_cifar10_multicrop',
      seed: 7,
      global_batch_size: 128,
      dataset: { source: 'cifar10', url: join(folder, 'data') },
    });
    expect(aside).toMatchObject({
      data: { num_workers: 4, pin_memory: true },
      training: { lr: 1, epochs: 200 },
    });
    expect(notices).toContainEqual(expect.stringMatching(/^data\.num_workers: .*--threads/));
    expect(notices.join()).not.toMatch(/no base_config/);
  });

  it('takes the ImageNet pipeline for any other dataset, with the crops that it names', async () => {
    const text =
      'data: { dataset: ImageNet, batch_size: 8, global_crops_number: 3, local_crops_number: 0, global_crop_size: 160 }';
    const { spec } = await loadSpecFile(file('imagenet.yaml', text));
    const resolved = parseSpec({ ...spec, dataset: { source: 'image-folder', url: '/x' } });
    expect(resolved.recipe).toBe('lesson-imagenet');
    expect(resolved.views.map(({ name }) => name)).toEqual(['global_0', 'global_1', 'global_2']);
    // The lesson's loop gives every global but the first the second pipeline, which solarizes.
    const solarized = resolved.views.map(({ transforms }) =>
      transforms.some(({ name }) => name === 'solarize'),
    );
    expect(solarized).toEqual([false, true, true]);
    expect(resolved.views[2]!.transforms[0]).toMatchObject({ size: [160, 160], scale: [0.4, 1] });
  });

  it('lets fields of a spec beside it decide', async () => {
    const { spec } = await loadSpecFile(file('a.yaml', 'data: { dataset: cifar10 }\nrecipe: dino\nseed: 3'));
    expect(spec).toMatchObject({ recipe: 'dino', seed: 3 });
  });
});

describe('docs/spec.schema.json', () => {
  it('is current: node packages/spec/scripts/write-json-schema.mjs writes it', () => {
    const path = new URL('../../../docs/spec.schema.json', import.meta.url);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(JSON.parse(JSON.stringify(specJsonSchema())));
  });
});
