import {
  type DecodeLimits,
  type ImageFormat,
  isBadSample,
  prepareSource,
  readHeader,
  SharpDecoder,
  sniff,
  ThreadDecoder,
} from '@cropstream/augment';
import type { Sample } from '@cropstream/datasets';
import { CropstreamError } from '@cropstream/errors';
import type { Piscina } from 'piscina';
import sharp, { type Sharp } from 'sharp';
import { type SideLimits, type Size, targetSize } from './target-size.js';
import type { ResizeAnswer, ResizeTask } from './thread-task.js';

/** How images are made smaller. */
export interface Resizing extends SideLimits {
  /** Of the JPEGs that resized images become. */
  readonly quality: number;
}

/** An image file as it goes into a shard. */
export interface ImageFile {
  readonly encoded: Uint8Array;
  /** Without the dot. */
  readonly extension: string;
  /** Why an image that was to be looked at could not be, so that it is as the dataset has it. */
  readonly bad?: CropstreamError;
  readonly resized: boolean;
}

/** Of formats whose files are not called by their names. */
const EXTENSIONS: Partial<Record<ImageFormat, string>> = { jpeg: 'jpg', tiff: 'tif' };

/** What decides about the bytes of images that are encoded anew, beside the options. */
export const ENCODER = `sharp ${sharp.versions.sharp}`;

/** Makes samples the image files of shards; sharp works here, on libuv's threads, the kernels on the pool's. */
export class ImagePreparer {
  readonly #resizing: Resizing | null;
  readonly #limits: DecodeLimits;
  readonly #pool: Piscina;
  readonly #decoder = new ThreadDecoder();
  readonly #sharp = new SharpDecoder();

  /** @param resizing null: files are copied byte for byte */
  constructor(resizing: Resizing | null, limits: DecodeLimits, pool: Piscina) {
    this.#resizing = resizing;
    this.#limits = limits;
    this.#pool = pool;
  }

  /** Pixels become a PNG, an image that is to be smaller a JPEG; any other file stays what it is. */
  async prepare(sample: Sample): Promise<ImageFile> {
    try {
      const made = this.#resizing && (await this.#resize(sample, this.#resizing));
      if (made) return { ...made, extension: 'jpg', resized: true };
    } catch (error) {
      if (!isBadSample(error) || sample.encoded === undefined) throw error;
      return { encoded: sample.encoded, extension: extensionOf(sample.encoded), bad: error, resized: false };
    }
    const { encoded, pixels } = sample;
    if (encoded) return { encoded, extension: extensionOf(encoded), resized: false };
    if (!pixels) throw new Error(`${sample.path} has neither bytes nor pixels`);
    return { encoded: await bytesOf(image(pixels).png()), extension: 'png', resized: false };
  }

  async #resize(sample: Sample, resizing: Resizing): Promise<{ encoded: Uint8Array } | null> {
    const { path, encoded } = sample;
    const header = sample.pixels ?? readHeader(encoded ?? new Uint8Array(0), path);
    const target = targetSize(header, resizing);
    if (target === null) return null;
    const decodes = (bytes: Uint8Array) => this.#decoder.decodes(bytes, path);
    const source = await prepareSource(sample, decodes, this.#limits, (bytes) =>
      this.#sharp.decode(bytes, this.#limits, { path }),
    );
    const pixels = await this.#onThread({ source, path, limits: this.#limits, target });
    const jpeg = image({ ...target, data: pixels }).jpeg({ quality: resizing.quality });
    const orientation = 'orientation' in header ? header.orientation : 1;
    // Decoded without it and kept beside, so that whoever applies it still can.
    if (orientation !== 1) jpeg.withMetadata({ orientation });
    return { encoded: await bytesOf(jpeg) };
  }

  async #onThread(task: ResizeTask): Promise<Uint8Array> {
    const transferList = task.source.kind === 'raw' ? [task.source.raw.data.buffer] : [];
    const answer: ResizeAnswer = await this.#pool.run(task, { name: 'resize', transferList });
    if ('bad' in answer) throw CropstreamError.fromWire(answer.bad);
    return answer.pixels;
  }
}

function image({ width, height, data }: Size & { readonly data: Uint8Array }): Sharp {
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** sharp's own buffers cannot be handed to a thread. */
const bytesOf = async (encoded: Sharp): Promise<Uint8Array> => new Uint8Array(await encoded.toBuffer());

/** What the file is by its bytes; one that nobody decodes keeps the name of an image, as it has in the dataset. */
function extensionOf(encoded: Uint8Array): string {
  const kind = sniff(encoded);
  if (kind.kind !== 'supported') return 'jpg';
  return EXTENSIONS[kind.format] ?? kind.format;
}
