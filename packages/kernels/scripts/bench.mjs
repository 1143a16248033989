// Kernel time of DINO's ten crops an image, by stage, on one thread: node packages/kernels/scripts/bench.mjs [seconds]
// Every crop is jittered with probability .8 and blurred as the recipe says; decoding is not part of it.
import { PixelKernels } from '../dist/index.js';

const SIDE = 450;
const seconds = Number(process.argv[2] ?? 3);
const kernels = PixelKernels.create();
const spent = { resize: 0, color: 0, blur: 0, rest: 0 };

let state = 1;
function uniform(low, high) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return low + ((high - low) * state) / 2 ** 32;
}

function timed(stage, work) {
  const start = performance.now();
  work();
  spent[stage] += performance.now() - start;
}

function view(size, low, high, blurred, solarized, target) {
  const area = SIDE * SIDE * uniform(low, high);
  const ratio = Math.exp(uniform(Math.log(3 / 4), Math.log(4 / 3)));
  const width = Math.min(SIDE, Math.round(Math.sqrt(area * ratio)));
  const height = Math.min(SIDE, Math.round(Math.sqrt(area / ratio)));
  const x = Math.floor(uniform(0, SIDE - width + 1));
  const y = Math.floor(uniform(0, SIDE - height + 1));
  timed('resize', () => {
    kernels.begin();
    kernels.crop({ x, y, width, height });
    kernels.resize(size, size, 'bicubic');
  });
  if (uniform(0, 1) < 0.5) timed('rest', () => kernels.flipHorizontal());
  if (uniform(0, 1) < 0.8) {
    timed('color', () => {
      kernels.brightness(uniform(0.6, 1.4));
      kernels.contrast(uniform(0.6, 1.4));
      kernels.saturation(uniform(0.8, 1.2));
      kernels.hue(uniform(-0.1, 0.1));
    });
  }
  if (uniform(0, 1) < 0.2) timed('color', () => kernels.grayscale());
  if (uniform(0, 1) < blurred) timed('blur', () => kernels.gaussianBlur(uniform(0.1, 2)));
  if (uniform(0, 1) < solarized) timed('rest', () => kernels.solarize(128));
  timed('rest', () => kernels.pack(target, 0, { dtype: 'uint8', layout: 'nchw' }));
}

const target = new Uint8Array(3 * 224 * 224);
let images = 0;
const run = (until) => {
  while (performance.now() < until) {
    const source = kernels.allocateSource(SIDE, SIDE);
    for (let i = 0; i < source.length; i += 4) source[i] = (i * 2654435761) >>> 24;
    view(224, 0.4, 1, 1, 0, target);
    view(224, 0.4, 1, 0.1, 0.2, target);
    for (let local = 0; local < 8; local++) view(96, 0.05, 0.4, 0.5, 0, target);
    images++;
  }
};
run(performance.now() + 500);
images = 0;
for (const stage of Object.keys(spent)) spent[stage] = 0;
run(performance.now() + seconds * 1000);
const line = Object.entries(spent).map(([stage, ms]) => `${stage} ${(ms / images).toFixed(2)}`);
const total = Object.values(spent).reduce((sum, ms) => sum + ms, 0) / images;
console.log(`ms an image: ${line.join(', ')}, total ${total.toFixed(2)} (${images} images)`);
