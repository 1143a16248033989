import { parentPort, workerData } from 'node:worker_threads';
import {
  type CompiledView,
  compileViews,
  isBadSample,
  loadSource,
  loadTransforms,
  PARAM_COLUMNS,
  paramsToRow,
  type Source,
  StageTimings,
  sampleFailure,
  ThreadDecoder,
  type TransformRegistry,
  TurboJpegDecoder,
} from '@cropstream/augment';
import { CropstreamError, type WireError } from '@cropstream/errors';
import { crc32, PixelKernels } from '@cropstream/kernels';
import { collectGarbage } from './garbage.js';
import { ChunkLayout } from './layout.js';
import {
  type ComputeAnswer,
  type ComputeResult,
  type ComputeTask,
  type ImageTask,
  LOADED,
  type PixelProgram,
  type ThreadOptions,
} from './task.js';

/** Programs that a thread keeps compiled; runs beyond these are compiled anew when they come again. */
const KEPT_PROGRAMS = 16;

interface Compiled {
  readonly program: PixelProgram;
  readonly views: readonly CompiledView[];
  readonly layout: ChunkLayout;
}

const options = workerData as ThreadOptions;
let kernels = PixelKernels.create();
const decoder = new ThreadDecoder(options.jpeg ? TurboJpegDecoder.load() : null);
const programs = new Map<string, Compiled>();
let registry: Promise<TransformRegistry> | null = null;

/** Makes all views of some images and writes them to their rows of the chunk. */
export async function compute(task: ComputeTask): Promise<ComputeAnswer> {
  try {
    return { result: make(task, programs.get(task.program) ?? (await compile(task.program))) };
  } catch (error) {
    // Whatever a failure left in the kernels' memory is left behind.
    kernels = PixelKernels.create();
    if (error instanceof CropstreamError) return { failed: error.toWire() };
    throw error;
  }
}

function make(task: ComputeTask, compiled: Compiled): ComputeResult {
  const rowLength = compiled.views.length * PARAM_COLUMNS.length;
  const params = new Float32Array(task.images.length * rowLength);
  const views = compiled.views.length;
  const checksums = new Uint32Array(task.images.length * views);
  const timings = new StageTimings();
  const payload = new Uint8Array(task.payload);
  const bad = task.images.map((image, index) => {
    try {
      const row = params.subarray(index * rowLength, (index + 1) * rowLength);
      const sums = checksums.subarray(index * views, (index + 1) * views);
      makeViews(compiled, task, image, { payload, params: row, checksums: sums }, timings);
      return null;
    } catch (error) {
      return badSample(sampleFailure(error, image.path));
    } finally {
      if (kernels.memoryBytes > options.keepBytes) letGo(image);
    }
  });
  const { decode, resize, color, blur, pack } = timings;
  return { bad, params, checksums, timings: { decode, resize, color, blur, pack } };
}

/** After a giant image: gives back what the kernels took for it, and its pixels if they came decoded. */
function letGo(image: { source?: Source }): void {
  kernels.trim(options.keepBytes);
  // The task itself lives until it was answered.
  delete image.source;
  collectGarbage();
}

function makeViews(
  { program, views, layout }: Compiled,
  task: ComputeTask,
  image: ImageTask,
  { payload, params, checksums }: { payload: Uint8Array; params: Float32Array; checksums: Uint32Array },
  timings: StageTimings,
): void {
  const options = { applyExif: program.exifRotation, draft: program.draft, path: image.path };
  timings.measure('decode', () => loadSource(image.source, kernels, decoder, program, options));
  const source = { width: kernels.sourceWidth, height: kernels.sourceHeight };
  const inputs = { seed: program.seed, epoch: task.epoch, sampleId: image.draw, ...source };
  for (const [index, view] of views.entries()) {
    const sampled = view.sample(inputs);
    view.apply(kernels, sampled, timings);
    const offset = layout.viewOffset(index, image.row, task.samples);
    timings.measure('pack', () => {
      const bytes = view.pack(kernels, payload, offset);
      // While it is in the cache: a whole chunk would come from memory.
      checksums[index] = crc32(payload.subarray(offset, offset + bytes));
    });
    paramsToRow(sampled, source, params, index * PARAM_COLUMNS.length);
  }
}

async function compile(json: string): Promise<Compiled> {
  registry ??= loadTransforms([...options.transforms]);
  const program = JSON.parse(json) as PixelProgram;
  const views = compileViews(program.views, { layout: program.layout }, await registry);
  const compiled = { program, views, layout: new ChunkLayout(views, []) };
  programs.set(json, compiled);
  if (programs.size > KEPT_PROGRAMS) programs.delete(programs.keys().next().value as string);
  return compiled;
}

/** The error if it is of the sample's bytes; any other fails the task. */
function badSample(error: unknown): WireError {
  if (isBadSample(error)) return error.toWire();
  throw error;
}

parentPort?.postMessage(LOADED);
