import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RECIPES, type ResolvedView, resolveViews, TransformRegistry } from '../index.js';

const registry = new TransformRegistry();
const resolved = (name: string): ResolvedView[] => {
  const recipe = RECIPES[name]!;
  return resolveViews(undefined, recipe, { registry, normalization: recipe.normalization });
};

interface Row {
  /** Count, size and scale of the views of 224 or so, and of the small ones. */
  global: [number, number, number, number];
  local?: [number, number, number, number];
  interpolation: 'bicubic' | 'bilinear';
  jitter: [number, number, number, number];
  jitterP?: number;
  /** Of the first view, the second and the small ones. */
  blur: [number, number, number?];
  kernel?: number;
  sigma?: [number, number];
  /** Of the second view alone. */
  solarize?: number;
  flip?: 'first' | 'last' | 'none';
  localJitter?: [number, number, number, number];
}

const dino: Row = {
  global: [2, 224, 0.4, 1],
  local: [8, 96, 0.05, 0.4],
  interpolation: 'bicubic',
  jitter: [0.4, 0.4, 0.2, 0.1],
  blur: [1, 0.1, 0.5],
  solarize: 0.2,
};
const dinov2: Row = {
  ...dino,
  global: [2, 224, 0.32, 1],
  local: [8, 96, 0.05, 0.32],
  blur: [0, 0.9, 0.5],
  kernel: 9,
};
const byol: Row = {
  global: [2, 224, 0.08, 1],
  interpolation: 'bicubic',
  jitter: [0.4, 0.4, 0.2, 0.1],
  blur: [1, 0.1],
  solarize: 0.2,
};
const moco: Row = {
  global: [2, 224, 0.2, 1],
  interpolation: 'bilinear',
  jitter: [0.4, 0.4, 0.4, 0.1],
  blur: [0.5, 0.5],
  flip: 'last',
};
const lesson: Row = { ...dino, jitter: [0.4, 0.4, 0.4, 0.1], jitterP: 1, blur: [1, 1, 1], solarize: 1 };

/** The published numbers, written down once more, in the terms of the papers and not of the code. */
const TABLE: Record<string, Row> = {
  dino,
  'dino-resnet50': { ...dino, global: [2, 224, 0.14, 1], local: [8, 96, 0.05, 0.14] },
  dinov2,
  'dinov2-paper': { ...dinov2, blur: [1, 0.1, 0.5] },
  dinov3: { ...dinov2, global: [2, 256, 0.32, 1], local: [8, 112, 0.05, 0.32], flip: 'none' },
  ibot: { ...dino, global: [2, 224, 0.25, 1], local: [10, 96, 0.05, 0.25] },
  esvit: dino,
  swav: {
    global: [2, 224, 0.14, 1],
    local: [6, 96, 0.05, 0.14],
    interpolation: 'bilinear',
    jitter: [0.8, 0.8, 0.8, 0.2],
    blur: [0.5, 0.5, 0.5],
  },
  msn: {
    global: [2, 224, 0.3, 1],
    local: [10, 96, 0.05, 0.3],
    interpolation: 'bilinear',
    jitter: [0.4, 0.4, 0.4, 0.1],
    blur: [0.5, 0.5, 0.5],
  },
  mocov2: moco,
  mocov3: { ...byol, interpolation: 'bilinear', flip: 'last' },
  barlow: byol,
  vicreg: byol,
  byol: { ...byol, kernel: 23 },
  simclr: {
    global: [2, 224, 0.08, 1],
    interpolation: 'bicubic',
    jitter: [0.8, 0.8, 0.8, 0.2],
    blur: [0.5, 0.5],
    kernel: 23,
  },
  'lesson-imagenet': lesson,
  'lesson-cifar10': {
    ...lesson,
    global: [2, 32, 0.7, 1],
    local: [6, 16, 0.3, 0.7],
    sigma: [0.1, 1],
    localJitter: [0.3, 0.3, 0.3, 0.1],
  },
};

function expected(row: Row, index: number): object[] {
  const [globals] = row.global;
  const local = index >= globals;
  const [, size, low, high] = local ? row.local! : row.global;
  const [b, c, s, h] = local ? (row.localJitter ?? row.jitter) : row.jitter;
  const around = (v: number) => [Math.max(0, 1 - v), 1 + v];
  const flip = { name: 'horizontal_flip', p: 0.5 };
  const { flip: place = 'first' } = row;
  const solarized = index === 1 && row.solarize !== undefined;
  return [
    {
      name: 'random_resized_crop',
      size: [size, size],
      scale: [low, high],
      ratio: [3 / 4, 4 / 3],
      interpolation: row.interpolation,
    },
    ...(place === 'first' ? [flip] : []),
    {
      name: 'color_jitter',
      p: row.jitterP ?? 0.8,
      brightness: around(b),
      contrast: around(c),
      saturation: around(s),
      hue: [-h, h],
    },
    { name: 'grayscale', p: 0.2 },
    {
      name: 'gaussian_blur',
      p: row.blur[local ? 2 : (index as 0 | 1)],
      sigma: row.sigma ?? [0.1, 2],
      ...(row.kernel === undefined ? { kind: 'pillow' } : { kind: 'torchvision', kernel_size: row.kernel }),
    },
    ...(solarized ? [{ name: 'solarize', p: row.solarize, threshold: 128 }] : []),
    ...(place === 'last' ? [flip] : []),
  ];
}

describe('recipes', () => {
  it.each(Object.entries(TABLE))('%s has its published numbers', (name, row) => {
    const views = resolved(name);
    expect(views).toHaveLength(row.global[0] + (row.local?.[0] ?? 0));
    views.forEach((view, index) => {
      expect(view.transforms, view.name).toEqual(expected(row, index));
    });
  });

  it('eval and supervised are torchvision’s references', () => {
    expect(resolved('eval')).toEqual([
      {
        name: 'image',
        transforms: [
          { name: 'resize', size: 256, interpolation: 'bilinear' },
          { name: 'center_crop', size: [224, 224] },
        ],
      },
    ]);
    expect(resolved('supervised')[0]!.transforms).toEqual([
      {
        name: 'random_resized_crop',
        size: [224, 224],
        scale: [0.08, 1],
        ratio: [3 / 4, 4 / 3],
        interpolation: 'bilinear',
      },
      { name: 'horizontal_flip', p: 0.5 },
    ]);
  });

  it('normalise as their sources do', () => {
    expect(RECIPES.dino!.normalization).toEqual({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
    expect(RECIPES.swav!.normalization.std[0]).toBe(0.228);
    expect(RECIPES.simclr!.normalization).toEqual({ mean: [0, 0, 0], std: [1, 1, 1] });
    expect(RECIPES['lesson-cifar10']!.normalization).toEqual({
      mean: [0.4914, 0.4822, 0.4465],
      std: [0.2023, 0.1994, 0.201],
    });
  });

  it('are all in the table, all published, each with its source', () => {
    expect(Object.keys(RECIPES).sort()).toEqual([...Object.keys(TABLE), 'eval', 'supervised'].sort());
    const path = new URL('../../../../docs/vectors/recipes.json', import.meta.url);
    const published = JSON.parse(readFileSync(path, 'utf8')) as { recipes: object };
    const now = Object.values(RECIPES).map((recipe) => {
      expect(recipe.source.length).toBeGreaterThan(20);
      return [recipe.name, { normalization: recipe.normalization, views: resolved(recipe.name) }];
    });
    expect(published.recipes).toEqual(Object.fromEntries(now));
  });
});
