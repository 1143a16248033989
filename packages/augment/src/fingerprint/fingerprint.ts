import { createHash, type Hash } from 'node:crypto';
import { toFailure } from '@cropstream/errors';
import { type Dtype, type Layout, PixelKernels } from '@cropstream/kernels';
import { philox4x32 } from '@cropstream/schedule';
import { DEFAULT_DECODE_LIMITS, loadRawInto, SharpDecoder, ThreadDecoder } from '../decode/index.js';
import { exp, log } from '../random/elementary.js';
import { RECIPES, type Recipe } from '../recipes/index.js';
import { TransformRegistry } from '../transforms/registry.js';
import { compileViews } from '../views/compile.js';
import { resolveViews } from '../views/resolve.js';
import { SELF_TEST_IMAGES } from './images.js';

/** What decodes: by default what this process would use. */
export interface SelfTestDecoders {
  readonly thread: ThreadDecoder;
  readonly main: SharpDecoder;
}

let cached: Promise<string> | undefined;

/**
 * The pixel fingerprint: SHA-256, hex, over the results of a built-in self-test of decoders, kernels and sampling.
 * Two processes with one fingerprint make the same bytes from the same images, whatever their processor, their
 * engine or their JPEG decoder. Made once a process. Call it on the main thread: it may use sharp.
 */
export function pixelFingerprint(): Promise<string> {
  cached ??= selfTest({ thread: new ThreadDecoder(), main: new SharpDecoder() });
  return cached;
}

/** The self-test with given decoders; the fingerprint does not depend on which. */
export async function selfTest(decoders: SelfTestDecoders): Promise<string> {
  const hash = createHash('sha256').update('cropstream pixel fingerprint 1\n');
  const kernels = PixelKernels.create();
  for (const [name, base64] of Object.entries(SELF_TEST_IMAGES)) {
    const bytes = Buffer.from(base64, 'base64');
    for (const applyExif of name.startsWith('exif') ? [false, true] : [false]) {
      await hashDecoded(hash, name, bytes, applyExif, decoders, kernels);
    }
    if (name.endsWith('.jpg')) {
      for (const damaged of damage(bytes)) await hashDecoded(hash, name, damaged, false, decoders, kernels);
    }
  }
  hashKernels(hash, kernels);
  hashRecipes(hash, kernels);
  hashElementary(hash);
  return hash.digest('hex');
}

async function hashDecoded(
  hash: Hash,
  name: string,
  bytes: Uint8Array,
  applyExif: boolean,
  { thread, main }: SelfTestDecoders,
  kernels: PixelKernels,
): Promise<void> {
  const options = { path: name, applyExif };
  try {
    if (thread.decodes(bytes, name)) thread.decodeInto(bytes, kernels, DEFAULT_DECODE_LIMITS, options);
    else loadRawInto(await main.decode(bytes, DEFAULT_DECODE_LIMITS, options), kernels);
    kernels.begin();
    const { width, height, data } = kernels.readPixels();
    hash.update(`${name} ${width} ${height}\n`).update(data);
  } catch (error) {
    const { code } = toFailure(error);
    // A verdict belongs into a fingerprint, a defect does not.
    if (!code.startsWith('SAMPLE_')) throw error;
    hash.update(`${name} ${code}\n`);
  }
}

/** One file cut short, one with a byte changed in the middle, one with stray bytes before its last marker. */
function damage(bytes: Buffer): Buffer[] {
  const cut = bytes.subarray(0, Math.floor(bytes.length * 0.8));
  const changed = Buffer.from(bytes);
  const middle = Math.floor(bytes.length * 0.9);
  changed[middle] = (changed[middle] ?? 0) ^ 0x10;
  const stray = Buffer.concat([bytes.subarray(0, -2), Buffer.from([0x12, 0x34]), bytes.subarray(-2)]);
  return [cut, changed, stray];
}

interface Pattern {
  readonly width: number;
  readonly height: number;
  /** RGBX. */
  readonly pixels: Uint8Array;
}

/** Noise beside gradients: every level, sharp edges and flat parts. */
function pattern(width: number, height: number): Pattern {
  const pixels = new Uint8Array(4 * width * height).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const gradient = [Math.floor((255 * y) / height), Math.floor((255 * x) / width), 255 - ((x + y) & 255)];
      const noise = (x >> 4) % 3 === 0 ? philox4x32([1, 2], [x, y, width, height]) : undefined;
      for (let channel = 0; channel < 3; channel++) {
        pixels[4 * (y * width + x) + channel] = noise?.[channel] ?? gradient[channel]!;
      }
    }
  }
  return { width, height, pixels };
}

function load(kernels: PixelKernels, { width, height, pixels }: Pattern): void {
  kernels.allocateSource(width, height).set(pixels);
  kernels.begin();
}

type Step = (kernels: PixelKernels) => void;

const STEPS: readonly Step[] = [
  (kernels) => kernels.resize(41, 23, 'bicubic'),
  (kernels) => kernels.resize(200, 131, 'bicubic'),
  (kernels) => kernels.resize(41, 23, 'bilinear'),
  (kernels) => kernels.resize(3, 90, 'bilinear'),
  (kernels) => kernels.crop({ x: -5, y: 7, width: 60, height: 90 }),
  (kernels) => kernels.flipHorizontal(),
  ...[0, 0.6, 1, 1.37].flatMap((factor): Step[] => [
    (kernels) => kernels.brightness(factor),
    (kernels) => kernels.contrast(factor),
    (kernels) => kernels.saturation(factor),
  ]),
  ...[-0.5, -0.08, 0, 0.1].map(
    (factor): Step =>
      (kernels) =>
        kernels.hue(factor),
  ),
  (kernels) => kernels.grayscale(),
  ...[0.1, 1, 2, 7.5].map(
    (sigma): Step =>
      (kernels) =>
        kernels.gaussianBlur(sigma),
  ),
  ...[0.1, 2].map(
    (sigma): Step =>
      (kernels) =>
        kernels.gaussianBlurKernel(sigma, 9),
  ),
  ...[0, 128, 256].map(
    (threshold): Step =>
      (kernels) =>
        kernels.solarize(threshold),
  ),
];

function hashKernels(hash: Hash, kernels: PixelKernels): void {
  const image = pattern(97, 71);
  for (const step of STEPS) {
    load(kernels, image);
    step(kernels);
    hash.update(kernels.readPixels().data);
  }
  const small = pattern(31, 17);
  const normalization = RECIPES.dino!.normalization;
  for (const dtype of ['uint8', 'float32', 'float16', 'bfloat16'] as const satisfies Dtype[]) {
    for (const layout of ['nchw', 'nhwc'] as const satisfies Layout[]) {
      load(kernels, small);
      const packed = new Uint8Array(31 * 17 * 3 * 4);
      const bytes = kernels.pack(packed, 0, { dtype, layout, normalization });
      hash.update(packed.subarray(0, bytes));
    }
  }
}

/** The parameters of every recipe, and the pixels of two that use both kinds of blur. */
function hashRecipes(hash: Hash, kernels: PixelKernels): void {
  const registry = new TransformRegistry();
  for (const recipe of Object.values(RECIPES)) {
    const views = compile(recipe, registry);
    for (let sampleId = 0; sampleId < 4; sampleId++) {
      const address = { seed: 42, epoch: 1, sampleId, width: 500 - sampleId, height: 120 * (sampleId + 1) };
      for (const view of views) hash.update(JSON.stringify(view.sample(address)));
    }
  }
  load(kernels, pattern(160, 120));
  for (const recipe of [RECIPES['lesson-cifar10']!, RECIPES.mocov3!]) {
    for (const view of compile(recipe, registry)) {
      view.apply(kernels, view.sample({ seed: 42, epoch: 0, sampleId: 7, width: 160, height: 120 }));
      const packed = new Uint8Array(view.bytesPerSample);
      view.pack(kernels, packed, 0);
      hash.update(packed);
    }
  }
}

function compile(recipe: Recipe, registry: TransformRegistry) {
  const views = resolveViews(undefined, recipe, { registry, normalization: recipe.normalization });
  return compileViews(views, { layout: 'nchw' }, registry);
}

function hashElementary(hash: Hash): void {
  const values = new DataView(new ArrayBuffer(16));
  for (let step = 1; step <= 400; step++) {
    values.setFloat64(0, exp((step - 200) / 61), true);
    values.setFloat64(8, log(step / 61), true);
    hash.update(new Uint8Array(values.buffer));
  }
}
