import { expect, test } from 'vitest';
import { tagOf } from './palette.js';
import { tell } from './parameters.js';

test('tells what was done to a view, in order, and what was not', () => {
  const told = tell({
    box: [12, 30, 200, 150],
    size: 224,
    interpolation: 'bicubic',
    flip: true,
    color_jitter: {
      order: ['hue', 'contrast'],
      brightness: null,
      contrast: 1.25,
      saturation: null,
      hue: -0.05,
    },
    grayscale: false,
    blur: { kind: 'torchvision', sigma: 0.5123456, kernel_size: 9 },
    solarize: null,
    invert: { p: 1 },
  });
  expect(told.map(({ name, value }) => `${name}: ${value}`)).toEqual([
    'Box: 200 × 150 at 12, 30',
    'Resized to: 224 × 224',
    'Interpolation: bicubic',
    'Flip: yes',
    'Jitter: hue -0.05, then contrast 1.25',
    'Grayscale: no',
    'Blur: torchvision, sigma 0.5123, kernel 9',
    'Solarize: no',
    'invert: {"p":1}',
  ]);
  expect(told.filter(({ applied }) => !applied).map(({ name }) => name)).toEqual(['Grayscale', 'Solarize']);
});

test.each([
  ['global_0', 'g0'],
  ['local_12', 'l12'],
  ['image', 'v4'],
])('%s has the tag %s', (name, tag) => {
  expect(tagOf(name, 4)).toBe(tag);
});
