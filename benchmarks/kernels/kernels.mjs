// The kernels one by one against their oracles: milliseconds for one view of a 450 x 450 source, and how many times faster
// than the plain TypeScript that says what is right.
import { backends, PixelKernels, reference } from '@cropstream/kernels';
import { measure, ratio } from '../statistics.mjs';

const SIDE = 450;
const SIZE = 224;

function noise(width, height) {
  const data = new Uint8Array(3 * width * height);
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 24;
  }
  return { width, height, data };
}

const source = noise(SIDE, SIDE);
const view = noise(SIZE, SIZE);
const normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const formats = {
  uint8: { dtype: 'uint8', layout: 'nchw' },
  float32: { dtype: 'float32', layout: 'nchw', normalization },
};
const target = new Uint8Array(12 * SIZE * SIZE);

/** By name: what the kernels do, and what their oracle does to the same pixels. */
const OPERATIONS = {
  'resize bicubic 376 to 224': {
    begin: (kernels) => {
      kernels.begin();
      kernels.crop({ x: 30, y: 40, width: 376, height: 376 });
    },
    kernel: (kernels) => kernels.resize(SIZE, SIZE, 'bicubic'),
    oracle: () =>
      reference.resize(
        reference.crop(source, { x: 30, y: 40, width: 376, height: 376 }),
        SIZE,
        SIZE,
        'bicubic',
      ),
  },
  'resize bicubic 213 to 96': {
    begin: (kernels) => {
      kernels.begin();
      kernels.crop({ x: 30, y: 40, width: 213, height: 213 });
    },
    kernel: (kernels) => kernels.resize(96, 96, 'bicubic'),
    oracle: () =>
      reference.resize(reference.crop(source, { x: 30, y: 40, width: 213, height: 213 }), 96, 96, 'bicubic'),
  },
  flip: { kernel: (kernels) => kernels.flipHorizontal(), oracle: () => reference.flipHorizontal(view) },
  brightness: { kernel: (kernels) => kernels.brightness(1.2), oracle: () => reference.brightness(view, 1.2) },
  contrast: { kernel: (kernels) => kernels.contrast(1.2), oracle: () => reference.contrast(view, 1.2) },
  saturation: { kernel: (kernels) => kernels.saturation(1.2), oracle: () => reference.saturation(view, 1.2) },
  hue: { kernel: (kernels) => kernels.hue(0.05), oracle: () => reference.hue(view, 0.05) },
  grayscale: { kernel: (kernels) => kernels.grayscale(), oracle: () => reference.grayscale(view) },
  'blur sigma 1': {
    kernel: (kernels) => kernels.gaussianBlur(1),
    oracle: () => reference.gaussianBlur(view, 1),
  },
  'blur sigma 2': {
    kernel: (kernels) => kernels.gaussianBlur(2),
    oracle: () => reference.gaussianBlur(view, 2),
  },
  'blur of 9 x 9': {
    kernel: (kernels) => kernels.gaussianBlurKernel(1, 9),
    oracle: () => reference.gaussianBlurKernel(view, 1, 9),
  },
  solarize: { kernel: (kernels) => kernels.solarize(128), oracle: () => reference.solarize(view, 128) },
  'pack uint8': {
    kernel: (kernels) => kernels.pack(target, 0, formats.uint8),
    oracle: () => reference.pack(view, formats.uint8),
  },
  'pack float32': {
    kernel: (kernels) => kernels.pack(target, 0, formats.float32),
    oracle: () => reference.pack(view, formats.float32),
  },
};

/** Milliseconds of `work`, whose preparation is not counted. */
function timed(times, prepare, work) {
  let spent = 0;
  for (let i = 0; i < times; i++) {
    prepare();
    const began = performance.now();
    work();
    spent += performance.now() - began;
  }
  return spent / times;
}

/** @param {{ rounds: number }} options */
export async function kernels({ rounds }) {
  const all = backends().map((backend) => PixelKernels.create(backend));
  for (const one of all) {
    const rgbx = one.allocateSource(SIDE, SIDE);
    for (let i = 0; i < SIDE * SIDE; i++) rgbx.set(source.data.subarray(3 * i, 3 * i + 3), 4 * i);
  }
  const measures = {};
  for (const [name, { begin = (on) => on.writePixels(view), kernel, oracle }] of Object.entries(OPERATIONS)) {
    const taken = { oracle: [], ...Object.fromEntries(backends().map((backend) => [backend, []])) };
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      const times = { oracle: timed(2, () => {}, oracle) };
      for (const one of all) {
        times[one.backend] = timed(
          100,
          () => begin(one),
          () => kernel(one),
        );
      }
      if (round === 0) continue;
      for (const [who, ms] of Object.entries(times)) taken[who].push(ms);
    }
    for (const backend of backends()) {
      measures[`${name}, ${backend}`] = measure('ms', 'lower', taken[backend]);
      measures[`${name}: oracle / ${backend}`] = ratio('higher', taken.oracle, taken[backend]);
    }
  }
  return { measures };
}
