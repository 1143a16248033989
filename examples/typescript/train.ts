/**
 * A training loop that can be stopped at any step and goes on with the very next batch: what a trainer does with
 * @cropstream/client, complete but for the network.
 *
 *   npx tsc -p examples/typescript
 *   node examples/typescript/dist/train.js localhost:7400 checkpoint.json 3
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import {
  type Batch,
  CropstreamError,
  type LoaderState,
  MultiCropLoader,
  type Tensor,
} from '@cropstream/client';

const CHECKPOINT_STEPS = 100;

/** Everything that a resume needs, saved as one: a model of one step with the loader of another is a silent fault. */
interface Checkpoint {
  readonly model: readonly number[];
  readonly loader: LoaderState;
}

/** float32 [B, 3, height, width], normalised. */
interface Images {
  readonly data: Float32Array;
  /** height * width */
  readonly plane: number;
}

/** A stand-in for a network: it learns the mean of each channel over the teacher's and the student's crops. */
class Model {
  #weights: number[];

  constructor(saved: readonly number[] = [0, 0, 0]) {
    this.#weights = [...saved];
  }

  get weights(): readonly number[] {
    return this.#weights;
  }

  /** @returns the loss */
  step(globals: readonly Images[], locals: readonly Images[]): number {
    const seen = [...globals, ...locals].map(channelMeans);
    const target = [0, 1, 2].map((channel) => average(seen.map((means) => means[channel] ?? 0)));
    const error = target.map((value, channel) => value - (this.#weights[channel] ?? 0));
    this.#weights = this.#weights.map((weight, channel) => weight + 0.1 * (error[channel] ?? 0));
    return average(error.map((value) => value ** 2));
  }
}

export async function train(
  target: string,
  checkpointPath: string,
  epochs: number,
  signal?: AbortSignal,
): Promise<void> {
  const saved = await load(checkpointPath);
  const model = new Model(saved?.model);
  // With a state the run is found, or opened again from the spec in it, and drawn from the saved step on.
  const loader = await MultiCropLoader.open({ target, state: saved?.loader, signal });
  const save = () => store(checkpointPath, { model: model.weights, loader: loader.stateDict() });
  const { mean, std } = loader.run;
  try {
    for (let epoch = loader.epoch; epoch < epochs; epoch++) {
      loader.setEpoch(epoch);
      for await (const batch of loader) {
        for (const { path, code } of batch.substitutions) console.warn(`substituted ${path}: ${code}`);
        const { globals, locals } = crops(batch, mean, std);
        const loss = model.step(globals, locals);
        // Seen, and nothing is left that refers to it: batches to come may have its memory.
        batch.release();
        if ((batch.globalStep + 1) % CHECKPOINT_STEPS === 0) {
          console.log(`epoch ${batch.epoch} step ${batch.step} loss ${loss.toFixed(5)}`);
          await save();
        }
      }
    }
    await save();
  } finally {
    await loader.close();
  }
}

/** Views travel as uint8, a quarter of float32's bytes; a real trainer normalises on its device. */
function crops(batch: Batch, mean: readonly number[], std: readonly number[]) {
  const { globals, locals } = batch.splitCrops();
  const toFloat = (tensor: Tensor) => normalize(tensor, mean, std);
  return { globals: globals.map(toFloat), locals: locals.map(toFloat) };
}

/** uint8 [B, 3, height, width] to float32, as torchvision's ToTensor and Normalize. */
function normalize({ dtype, shape, data }: Tensor, mean: readonly number[], std: readonly number[]): Images {
  const [, channels = 3, height = 0, width = 0] = shape;
  const plane = height * width;
  if (dtype === 'float32') return { data, plane };
  if (dtype !== 'uint8') throw new TypeError(`a view of ${dtype} wants a device that knows it`);
  const normal = Float32Array.from(data, (value, i) => {
    const channel = Math.floor(i / plane) % channels;
    return (value / 255 - (mean[channel] ?? 0)) / (std[channel] ?? 1);
  });
  return { data: normal, plane };
}

function channelMeans({ data, plane }: Images): number[] {
  const sums = [0, 0, 0];
  for (let i = 0; i < data.length; i++) sums[Math.floor(i / plane) % 3]! += data[i] ?? 0;
  return sums.map((sum) => (3 * sum) / Math.max(1, data.length));
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

async function load(path: string): Promise<Checkpoint | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Checkpoint;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Whole or not at all: a crash while writing leaves the last checkpoint. */
async function store(path: string, checkpoint: Checkpoint): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(checkpoint));
  await rename(`${path}.new`, path);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [target = 'localhost:7400', checkpoint = 'checkpoint.json', epochs = '1'] = process.argv.slice(2);
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  await train(target, checkpoint, Number(epochs), interrupted.signal).catch((error: unknown) => {
    // The message says what was wrong and what to do; the code is for programs.
    if (!(error instanceof CropstreamError)) throw error;
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = error.code === 'CANCELLED' ? 130 : 1;
  });
}
