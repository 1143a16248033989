import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { malformed } from '../../malformed.js';

/** With how much of its input it took: what stands after a frame, it ignores. */
interface Decompressed {
  readonly buffer: Uint8Array<ArrayBuffer>;
  readonly engine: { readonly bytesWritten: number };
}

/** The built-in decoder, which works beside the event loop; Node has it from 22.15 and 23.8 on. */
const { zstdDecompress } = zlib as {
  zstdDecompress?: (
    input: Uint8Array,
    options: { maxOutputLength: number; info: true },
    done: (error: Error | null, result: Decompressed) => void,
  ) => void;
};

const builtIn = zstdDecompress && promisify(zstdDecompress);

const MAGIC = 0xfd2fb528;
/** Bytes that a frame's header has at most. */
export const FRAME_HEADER_BYTES = 18;

/**
 * The bytes that a zstd frame says it holds; null where it does not say. A claim: see `decompress`.
 *
 * @returns undefined for what is no frame
 */
export function frameContentSize(frame: Uint8Array): number | null | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, Math.min(frame.byteLength, FRAME_HEADER_BYTES));
  if (view.byteLength < 6 || view.getUint32(0, true) !== MAGIC) return undefined;
  const descriptor = view.getUint8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number;
  const at = 5 + (singleSegment ? 0 : 1) + dictionaryBytes;
  const flag = descriptor >>> 6;
  if (flag === 0 && !singleSegment) return null;
  const bytes = 1 << flag;
  if (at + bytes > view.byteLength) return undefined;
  if (flag === 0) return view.getUint8(at);
  if (flag === 1) return view.getUint16(at, true) + 256;
  return flag === 2 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}

/**
 * The content of one zstd frame that says how long it is. What it says is believed only up to the limit, and is not
 * exceeded: a frame that holds more, or less, is refused.
 *
 * @param name of what is decompressed, for messages
 * @param limit bytes
 * @throws DATASET_MALFORMED for anything but such a frame
 */
export async function decompress(
  frame: Uint8Array,
  name: string,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const size = frameContentSize(frame);
  if (size === undefined) throw malformed(name, 'it is not zstd');
  if (size === null) throw malformed(name, 'its zstd frame does not say how long its content is');
  if (size > limit) throw malformed(name, `it says that it holds ${size} bytes, and ${limit} are allowed`);
  if (size === 0) return new Uint8Array(0);
  const decode = builtIn ?? decodeCompiled(await compiled());
  let decoded: Decompressed;
  try {
    decoded = await decode(frame, { maxOutputLength: size, info: true });
  } catch (error) {
    throw malformed(name, 'its zstd frame is damaged, cut short, or holds more than it says', error);
  }
  const { buffer, engine } = decoded;
  if (buffer.length !== size)
    throw malformed(name, `its zstd frame holds ${buffer.length} bytes and says ${size}`);
  if (engine.bytesWritten !== frame.length) throw malformed(name, 'something stands after its zstd frame');
  return buffer;
}

/** libzstd's call decodes into as much memory as the frame says that it needs, and takes nothing but whole frames. */
const decodeCompiled =
  ({ decompress }: Zstd) =>
  async (frame: Uint8Array): Promise<Decompressed> => ({
    buffer: decompress(frame) as Uint8Array<ArrayBuffer>,
    engine: { bytesWritten: frame.length },
  });

/** LitData's own default. */
const LEVEL = 4;

/** One frame, with its content's length in its header. The same bytes wherever it is made. */
export async function compress(content: Uint8Array): Promise<Uint8Array> {
  return (await compiled()).compress(content, LEVEL);
}

type Zstd = typeof import('@bokuweb/zstd-wasm');

let loading: Promise<Zstd> | undefined;

/** libzstd as WebAssembly, loaded when it is first needed. */
function compiled(): Promise<Zstd> {
  loading ??= import('@bokuweb/zstd-wasm').then(async (zstd) => {
    await zstd.init();
    return zstd;
  });
  return loading;
}
