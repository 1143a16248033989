import { isMainThread } from 'node:worker_threads';
import { CropstreamError, failure } from '@cropstream/errors';
import type { Sharp, SharpOptions } from 'sharp';
import { drafted } from './draft.js';
import { checkBytes, checkPixels, damaged, nameOf, unsupported } from './failures.js';
import { readPngHeader, readTiffHeader } from './headers.js';
import { readHeader } from './image.js';
import { readJpegHeader, withoutMetadata } from './jpeg/header.js';
import { settleScans } from './jpeg/scans.js';
import { PLAIN_READERS } from './plain/index.js';
import type {
  DecodeLimits,
  DecodeOptions,
  ImageFormat,
  Orientation,
  PixelModel,
  RawPixels,
} from './types.js';

/** How libvips is asked for pixels, and how they are read afterwards. */
interface Request {
  /** libvips' colour space to stay in, where its own conversion is not Pillow's. */
  readonly space?: 'cmyk' | 'grey16';
  /** What to decode where it is not the file as it is. */
  readonly bytes?: Uint8Array;
  /** Orientation to apply whatever the options say (TIFF). */
  readonly stored?: Orientation;
}

/**
 * Decodes by sharp (libvips), asynchronously on libuv's pool: PNG, WebP, TIFF, and JPEG where
 * TurboJPEG is not to be had. It also takes what `ThreadDecoder` reads, so that one call decodes
 * anything. On a process's main thread only: sharp in worker threads has crashed when it was
 * initialised again, so this module loads it at the first decode, and importing it loads nothing.
 */
export class SharpDecoder {
  constructor() {
    if (!isMainThread) throw new Error('SharpDecoder works on the main thread only; use ThreadDecoder here');
  }

  /**
   * Decodes the first frame or page. The result's buffer is alone in its ArrayBuffer, so it can be
   * transferred to a compute thread, for `loadRawInto`. `bytes` may lie in a SharedArrayBuffer; nobody
   * may write to them until this is settled.
   * @throws SAMPLE_UNDECODABLE, SAMPLE_UNSUPPORTED or SAMPLE_OVER_LIMIT
   */
  async decode(bytes: Uint8Array, limits: DecodeLimits, options?: DecodeOptions): Promise<RawPixels> {
    const path = nameOf(options);
    checkBytes(path, bytes.length, limits);
    const header = readHeader(bytes, path);
    checkPixels(path, header.width, header.height, limits);
    // libvips reduces by other pixels than libjpeg's. This is no fault of the sample.
    if (drafted(header, options?.draft).reduction > 1) {
      throw failure('INTERNAL', { reason: `decode.draft needs TurboJPEG, which cannot be loaded (${path})` });
    }
    const orientation = options?.applyExif === true ? header.orientation : 1;
    const plain = PLAIN_READERS[header.format];
    if (plain !== undefined) {
      const { width, height, model, data } = plain(bytes, path);
      return { width, height, model, data, channels: model === 'gray' ? 1 : 3, orientation };
    }
    // A sharp that cannot be loaded fails here, and makes no sample bad.
    loading ??= loadSharp();
    const sharp = await loading;
    const open: Opener = (input) => sharp(input, inputOptions(header.format, limits));
    try {
      const request = await requestFor(header.format, bytes, path, open);
      const raw = await readRaw(open(request.bytes ?? bytes), request);
      return { ...raw, orientation: request.stored ?? orientation };
    } catch (error) {
      if (error instanceof CropstreamError) throw error;
      throw refusal(path, header.format, reasonOf(error));
    }
  }
}

/** Sound TIFFs of kinds that sharp's libvips is built without are unsupported, all else is damaged. */
function refusal(path: string, format: ImageFormat, reason: string): CropstreamError {
  const compression = /(\w+) compression support is not configured/.exec(reason)?.[1];
  const kind =
    compression === undefined ? /labq/.test(reason) && 'in CIELAB' : `with ${compression} compression`;
  return format === 'tiff' && kind
    ? unsupported(path, `TIFF ${kind}`, 'Convert it: `magick FILE -colorspace sRGB -compress lzw FILE.tif`.')
    : damaged(path, format, reason);
}

type SharpModule = typeof import('sharp')['default'];
type Opener = (bytes: Uint8Array) => Sharp;

let loading: Promise<SharpModule> | undefined;

async function loadSharp(): Promise<SharpModule> {
  const { default: sharp } = await import('sharp');
  // A cache of decoded images would only hold memory: every sample is decoded once.
  sharp.cache(false);
  // Images are decoded side by side on libuv's pool; more threads for each would only add overhead.
  sharp.concurrency(1);
  return sharp;
}

const inputOptions = (format: ImageFormat, limits: DecodeLimits): SharpOptions => ({
  autoOrient: false,
  ignoreIcc: true,
  limitInputPixels: limits.maxPixels,
  sequentialRead: true,
  // libvips gives up on a JPEG after many warnings, where TurboJPEG and Pillow go on. What its own
  // limits are for has been checked by ours: pixels, bytes, scans.
  unlimited: format === 'jpeg',
  // A warning about a TIFF may be its missing rows; about the others, `truncated` covers those.
  failOn: format === 'tiff' ? 'error' : 'truncated',
});

async function requestFor(
  format: ImageFormat,
  bytes: Uint8Array,
  path: string,
  open: Opener,
): Promise<Request> {
  switch (format) {
    case 'jpeg': {
      const jpeg = readJpegHeader(bytes, path);
      const settled = withoutMetadata(settleScans(bytes, jpeg, path), jpeg);
      return jpeg.components === 4 ? { bytes: settled, space: 'cmyk' } : { bytes: settled };
    }
    case 'png': {
      const { bitDepth, colorType } = readPngHeader(bytes, path);
      return bitDepth === 16 && colorType === 0 ? { space: 'grey16' } : {};
    }
    case 'tiff': {
      const { stored } = readTiffHeader(bytes, path);
      const { space } = await open(bytes).metadata();
      return space === 'cmyk' || space === 'grey16' ? { space, stored } : { stored };
    }
    default:
      return {};
  }
}

async function readRaw(image: Sharp, { space }: Request): Promise<Omit<RawPixels, 'orientation'>> {
  if (space !== undefined) image.pipelineColourspace(space).toColourspace(space);
  const { data, info } = await image
    .raw({ depth: space === 'grey16' ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return {
    width,
    height,
    channels,
    model: modelOf(space, channels),
    // sharp's buffers cannot be transferred, and its toUint8Array, whose can, leaks the pixels (0.35.5).
    data: new Uint8Array(data),
  };
}

function modelOf(space: Request['space'], channels: number): PixelModel {
  if (space === 'cmyk') return 'cmyk';
  if (space === 'grey16') return 'gray16';
  return (['gray', 'gray-alpha', 'rgb', 'rgb-alpha'] as const)[channels - 1]!;
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, '; ');
