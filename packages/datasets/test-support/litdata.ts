/** LitData's format, written by hand in every way that its library has: for tests. */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compress } from '../src/sources/litdata/zstd.js';
import { temporaryFolder } from './folders.js';

export const u32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i);
  return bytes;
};

export const int64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
};

export const float64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
};

/** A sample: the lengths of its values, and them. */
export const item = (...values: Uint8Array[]): Buffer =>
  Buffer.concat([u32(...values.map(({ length }) => length)), ...values]);

export function chunkOf(items: readonly Uint8Array[]): Buffer {
  const offsets = [4 * (items.length + 2)];
  for (const { length } of items) offsets.push((offsets.at(-1) as number) + length);
  return Buffer.concat([u32(items.length, ...offsets), ...items]);
}

/** `compression_level="sample"`. */
export const sampleCompressed = async (items: readonly Uint8Array[]) =>
  chunkOf(await Promise.all(items.map(compress)));

/** `compression_level="batch"`. */
export async function batchCompressed(items: readonly Uint8Array[], rowsAFrame: number): Promise<Buffer> {
  const offsets = [0];
  for (const { length } of items) offsets.push((offsets.at(-1) as number) + length);
  const frames: { first: number; count: number; content: Buffer; bytes: Uint8Array }[] = [];
  for (let first = 0; first < items.length; first += rowsAFrame) {
    const rows = items.slice(first, first + rowsAFrame);
    const content = Buffer.concat(rows);
    frames.push({ first, count: rows.length, content, bytes: await compress(content) });
  }
  let at = 24 + 4 * offsets.length + 24 * frames.length;
  const entries = frames.map(({ first, count, content, bytes }) => {
    at += bytes.length;
    return Buffer.concat([u32(first, count), int64(at - bytes.length), u32(bytes.length, content.length)]);
  });
  const head = Buffer.concat([
    Buffer.from('LDFZ01\0\0\x01\0\0\0', 'latin1'),
    u32(items.length, rowsAFrame, frames.length),
  ]);
  return Buffer.concat([head, u32(...offsets), ...entries, ...frames.map(({ bytes }) => bytes)]);
}

/** Four samples of an image, a label, a text (of the second none) and a list, as litdata itself writes them with pyarrow. */
export function arrowChunk(kind: 'plain' | 'zstd'): Buffer {
  const golden = readFileSync(new URL('../golden/litdata-arrow.json', import.meta.url), 'utf8');
  return Buffer.from(JSON.parse(golden)[kind], 'base64');
}

const leaf = { type: null, context: null, children_spec: [] };

export const dictSpec = (names: readonly string[]) =>
  JSON.stringify([
    1,
    { type: 'builtins.dict', context: JSON.stringify(names), children_spec: names.map(() => leaf) },
  ]);

export interface TestChunk {
  readonly filename?: string;
  readonly bytes: Uint8Array;
  readonly samples: number;
  /** What index.json says; the file's by default. */
  readonly chunkBytes?: number;
}

export interface TestIndex {
  /** Formats by name. */
  readonly leaves?: Readonly<Record<string, string>>;
  readonly config?: object;
}

/** A folder of chunks with its index.json. */
export async function litdataFolder(chunks: readonly TestChunk[], options: TestIndex = {}): Promise<string> {
  const root = await temporaryFolder();
  const named = chunks.map((chunk, i) => ({ filename: `chunk-0-${i}.bin`, ...chunk }));
  for (const { filename, bytes } of named) {
    await mkdir(dirname(join(root, filename)), { recursive: true });
    await writeFile(join(root, filename), bytes);
  }
  await writeFile(join(root, 'index.json'), JSON.stringify(indexOf(named, options)));
  return root;
}

export function indexOf(
  chunks: readonly (TestChunk & { filename: string })[],
  { leaves = { image: 'bytes', label: 'int' }, config }: TestIndex = {},
) {
  return {
    chunks: chunks.map(({ filename, bytes, samples, chunkBytes = bytes.length }) => ({
      filename,
      chunk_bytes: chunkBytes,
      chunk_size: samples,
      dim: null,
    })),
    config: {
      compression: null,
      data_format: Object.values(leaves),
      data_spec: dictSpec(Object.keys(leaves)),
      encryption: null,
      item_loader: 'PyTreeLoader',
      ...config,
    },
  };
}
