// Tries every input of both conversions of the hue kernel, all 2^24 RGB and all 2^24 HSV triples: the kernel equals the
// oracle, and the oracle has the digest that Pillow's own conversion had. The hue of a grey has no meaning in the
// kernel: the way back ignores it, as the second half shows. Then native kernels, of which there are no halves, against
// WebAssembly's: every colour under every shift. Takes a minute: node scripts/prove-hue.mjs
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { reference } from '../dist/index.js';
import { backends, instantiate } from '../dist/wasm-module.js';

const SLAB = 65536;
const golden = JSON.parse(readFileSync(new URL('../src/golden/pillow.json', import.meta.url), 'utf8'));
function slab(kernels) {
  const base = Math.ceil(kernels.heapBase() / 16) * 16;
  kernels.memory.grow(4);
  return { kernels, base, bytes: new Uint8Array(kernels.memory.buffer, base, 3 * SLAB) };
}

/** All colours of one red. */
function fill(bytes, red) {
  for (let rest = 0; rest < SLAB; rest++) {
    bytes[rest] = red;
    bytes[SLAB + rest] = rest >> 8;
    bytes[2 * SLAB + rest] = rest;
  }
}

const wasm = slab(instantiate('wasm'));
const { kernels, base, bytes } = wasm;

for (const name of ['rgbToHsv', 'hsvToRgb']) {
  const digest = createHash('sha256');
  const oracle = new Uint8Array(3 * SLAB);
  let different = 0;
  for (let first = 0; first < 256; first++) {
    fill(bytes, first);
    kernels[name](base, SLAB, SLAB);
    for (let rest = 0; rest < SLAB; rest++) {
      const [a, b, c] = reference[name](first, rest >> 8, rest & 255);
      const grey = name === 'rgbToHsv' && b === 0;
      if (bytes[rest] !== a && !grey) different++;
      if (bytes[SLAB + rest] !== b || bytes[2 * SLAB + rest] !== c) different++;
      oracle[3 * rest] = a;
      oracle[3 * rest + 1] = b;
      oracle[3 * rest + 2] = c;
    }
    digest.update(oracle);
  }
  const isPillows = digest.digest('hex') === golden.conversions[name];
  console.log(
    `${name}: kernel and oracle differ in ${different} of 2^24, oracle equals Pillow: ${isPillows}`,
  );
  if (different > 0 || !isPillows) process.exitCode = 1;
}

for (const backend of backends().filter((name) => name !== 'wasm')) {
  const native = slab(instantiate(backend));
  let different = 0;
  for (let red = 0; red < 256; red++) {
    fill(bytes, red);
    const colours = bytes.slice();
    for (let shift = 0; shift < 256; shift++) {
      for (const { kernels, base, bytes } of [wasm, native]) {
        bytes.set(colours);
        kernels.hue(base, SLAB, SLAB, shift);
      }
      if (Buffer.compare(bytes, native.bytes) !== 0) different++;
    }
  }
  console.log(`hue on ${backend}: ${different} of 2^16 reds and shifts differ from WebAssembly`);
  if (different > 0) process.exitCode = 1;
}
