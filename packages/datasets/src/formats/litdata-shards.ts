import { failure } from '@cropstream/errors';
import { INDEX_FILE } from '../sources/litdata/index-file.js';
import { IMAGE_NAMES } from '../sources/litdata/layout.js';
import { compress } from '../sources/litdata/zstd.js';
import type { ShardFormat, ShardFormatOptions, ShardSample } from './format.js';

/** LitData's offsets are of 32 bits. */
const MAX_CHUNK_BYTES = 2 ** 32 - 1;

const FORMATS = { string: 'str', int64: 'int', float64: 'float' } as const;

/**
 * Chunks as LitData's library writes them: dicts of the image's bytes, the label (-1 for none) and the fields. Compressed ones are
 * compressed as a whole, which every version of the library reads.
 */
export const litdataShards: ShardFormat = {
  name: 'litdata',
  compressions: ['none', 'zstd'],

  shardName: (number, total, { compression }) =>
    `chunk-0-${String(number).padStart(String(total - 1).length, '0')}${compression === 'zstd' ? '.zstd' : ''}.bin`,

  async encode(samples, options) {
    const chunk = encodeChunk(samples, options);
    return options.compression === 'zstd' ? compress(chunk) : chunk;
  },

  index(shards, { fields, compression }) {
    const names = [imageName(fields), 'label', ...Object.keys(fields)];
    const leaf = { type: null, context: null, children_spec: [] };
    const spec = {
      type: 'builtins.dict',
      context: JSON.stringify(names),
      children_spec: names.map(() => leaf),
    };
    const index = {
      chunks: shards.map(({ name, samples, bytes }) => ({
        chunk_bytes: compression === 'zstd' ? leastContentBytes(bytes) : bytes,
        chunk_size: samples,
        dim: null,
        filename: name,
      })),
      config: {
        chunk_bytes: null,
        chunk_size: null,
        compression: compression === 'zstd' ? 'zstd' : null,
        data_format: ['bytes', 'int', ...Object.values(fields).map((dtype) => FORMATS[dtype])],
        data_spec: JSON.stringify([1, spec]),
        encryption: null,
        item_loader: 'PyTreeLoader',
      },
    };
    return [{ name: INDEX_FILE, bytes: Buffer.from(JSON.stringify(index), 'utf8') }];
  },
};

/** The number of samples, where each begins and the last ends, and the samples. */
function encodeChunk(samples: readonly ShardSample[], { fields }: ShardFormatOptions): Uint8Array {
  const items = samples.map(({ encoded, label, fields: values }) =>
    encodeItem([
      encoded,
      int64(label),
      ...Object.entries(fields).map(([name, dtype]) => encodeScalar(dtype, values[name] as string | number)),
    ]),
  );
  const table = Buffer.alloc(4 * (items.length + 2));
  const total = items.reduce((sum, item) => sum + item.length, table.length);
  if (total > MAX_CHUNK_BYTES) {
    throw failure('LIMIT_EXCEEDED', {
      field: 'bytes of a LitData chunk',
      value: total,
      limit: MAX_CHUNK_BYTES,
    });
  }
  table.writeUInt32LE(items.length);
  let offset = table.length;
  table.writeUInt32LE(offset, 4);
  for (const [i, item] of items.entries()) {
    offset += item.length;
    table.writeUInt32LE(offset, 4 * (i + 2));
  }
  return Buffer.concat([table, ...items], total);
}

/** The length of each value, then the values. */
function encodeItem(values: readonly Uint8Array[]): Buffer {
  const lengths = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) lengths.writeUInt32LE(value.length, 4 * i);
  return Buffer.concat([lengths, ...values]);
}

function encodeScalar(dtype: keyof typeof FORMATS, value: string | number): Buffer {
  if (dtype === 'string') return Buffer.from(String(value), 'utf8');
  if (dtype === 'int64') return int64(Number(value));
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(Number(value));
  return bytes;
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

/** A name that no field has. */
const imageName = (fields: ShardFormatOptions['fields']): string =>
  IMAGE_NAMES.find((name) => !Object.hasOwn(fields, name)) ?? 'encoded_image';

/**
 * What a compressed file of so many bytes holds at the least: zstd adds a header, and three bytes to a block of 128 KiB that it
 * cannot compress. The library makes sure that there are that many.
 */
const leastContentBytes = (bytes: number): number => Math.max(0, bytes - 32 - 3 * Math.ceil(bytes / 2 ** 17));
