import { isBadSample, loadSource, sampleFailure, ThreadDecoder } from '@cropstream/augment';
import { shardFormat } from '@cropstream/datasets';
import { CropstreamError } from '@cropstream/errors';
import { PixelKernels } from '@cropstream/kernels';
import type { EncodeAnswer, EncodeTask, ResizeAnswer, ResizeTask } from './thread-task.js';

/** WebAssembly memory that a thread keeps from one image to the next. */
const KEEP_BYTES = 64 * 1024 * 1024;

const decoder = new ThreadDecoder();
let kernels = PixelKernels.create();

/** Decodes an image and resizes it, with Pillow's own bicubic pixels. */
export function resize({ source, path, limits, target }: ResizeTask): ResizeAnswer {
  try {
    loadSource(source, kernels, decoder, limits, { path });
    kernels.begin();
    kernels.resize(target.width, target.height, 'bicubic');
    return { pixels: kernels.readPixels().data as Uint8Array<ArrayBuffer> };
  } catch (error) {
    // Whatever a failure left in the kernels' memory is left behind.
    kernels = PixelKernels.create();
    const failed = sampleFailure(error, path);
    if (isBadSample(failed)) return { bad: failed.toWire() };
    throw failed;
  } finally {
    kernels.trim(KEEP_BYTES);
  }
}

/** Writes a shard. */
export async function encode({ format, samples, options }: EncodeTask): Promise<EncodeAnswer> {
  try {
    return { bytes: await shardFormat(format).encode(samples, options) };
  } catch (error) {
    if (error instanceof CropstreamError) return { failed: error.toWire() };
    throw error;
  }
}
