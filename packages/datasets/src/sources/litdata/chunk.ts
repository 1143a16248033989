import { malformed } from '../../malformed.js';
import { type ArrowRows, openArrow } from './arrow.js';
import { type ByteSource, readPart, viewOf } from './bytes.js';
import type { Layout } from './layout.js';

/** Samples compressed together, as they lie in their chunk's file. */
export interface Frame {
  readonly number: number;
  readonly offset: number;
  readonly length: number;
  /** Of what is in it. */
  readonly contentBytes: number;
}

/**
 * Where a chunk's samples lie:
 * - `items`: one after the other in the file; sample i is bytes [offsets[i], offsets[i + 1])
 * - `frames`: the same in the contents of the frames, joined
 * - `rows`: in the columns of an Arrow table
 */
export type ChunkIndex =
  | { readonly kind: 'items'; readonly offsets: Uint32Array }
  | {
      readonly kind: 'frames';
      readonly offsets: Uint32Array;
      readonly rowsAFrame: number;
      readonly frames: readonly Frame[];
    }
  | { readonly kind: 'rows'; readonly rows: ArrowRows };

/** Samples a chunk: their offsets take 400 MB. */
const MAX_SAMPLES = 100_000_000;

const FRAMED_MAGIC = Buffer.from('LDFZ01\0\0', 'latin1');
const FRAMED_PREFIX_BYTES = 24;
const FRAME_ENTRY_BYTES = 24;
const ARROW_MAGIC = Buffer.from('LDARW01\0', 'latin1');
/** The length of the Arrow file, and the magic. */
const ARROW_TRAILER_BYTES = 12;

/**
 * Reads a chunk's tables.
 *
 * @param samples that the index file says it has
 * @throws DATASET_MALFORMED where the tables are not of this chunk
 */
export async function openChunk(source: ByteSource, samples: number, layout: Layout): Promise<ChunkIndex> {
  if (samples > MAX_SAMPLES)
    throw malformed(source.name, `it has ${samples} samples: ${MAX_SAMPLES} are allowed`);
  if (layout.compression === 'batch') {
    const prefix = await readPart(source, 0, Math.min(FRAMED_PREFIX_BYTES, source.size));
    // A chunk of Arrow rows has its own compression, whatever the index file says.
    if (FRAMED_MAGIC.equals(prefix.subarray(0, FRAMED_MAGIC.length)))
      return openFramed(source, samples, prefix);
  }
  const tableBytes = 4 + 4 * (samples + 1);
  const view = viewOf(await readPart(source, 0, tableBytes));
  checkCount(source, view.getUint32(0, true), samples);
  const offsets = readOffsets(source, view, 4, samples);
  if (offsets[0] !== tableBytes)
    throw malformed(source.name, `its first sample is at ${offsets[0]}, and not at ${tableBytes}`);
  const end = offsets[samples] as number;
  if (end > source.size)
    throw malformed(source.name, `it has ${source.size} bytes, and its last sample ends at ${end}`);
  if (end === source.size) {
    if (layout.compression === 'batch') throw malformed(source.name, 'it has no compressed batches');
    return { kind: 'items', offsets };
  }
  const arrow = await findArrow(source, end);
  return end > tableBytes
    ? { kind: 'items', offsets }
    : { kind: 'rows', rows: await openArrow(arrow, samples, layout) };
}

/** Memory that an index takes, in bytes. */
export function indexBytes(index: ChunkIndex): number {
  if (index.kind === 'rows') return index.rows.bytes;
  return index.offsets.byteLength + (index.kind === 'frames' ? 64 * index.frames.length : 0);
}

async function openFramed(source: ByteSource, samples: number, prefix: Uint8Array): Promise<ChunkIndex> {
  if (prefix.length < FRAMED_PREFIX_BYTES) throw malformed(source.name, 'it is cut short');
  const head = viewOf(prefix);
  const version = head.getUint16(8, true);
  if (version !== 1)
    throw malformed(source.name, `its compressed batches are of version ${version}: 1 is read`);
  checkCount(source, head.getUint32(12, true), samples);
  const rowsAFrame = head.getUint32(16, true);
  const count = head.getUint32(20, true);
  if (rowsAFrame === 0 || count !== Math.ceil(samples / rowsAFrame)) {
    throw malformed(source.name, `it has ${count} batches of ${rowsAFrame} samples, and ${samples} samples`);
  }
  const offsetBytes = 4 * (samples + 1);
  const tables = viewOf(await readPart(source, FRAMED_PREFIX_BYTES, offsetBytes + FRAME_ENTRY_BYTES * count));
  const offsets = readOffsets(source, tables, 0, samples);
  const frames = Array.from({ length: count }, (_, number): Frame => {
    const at = offsetBytes + FRAME_ENTRY_BYTES * number;
    const first = number * rowsAFrame;
    const last = Math.min(first + rowsAFrame, samples);
    const offset = Number(tables.getBigUint64(at + 8, true));
    const length = tables.getUint32(at + 16, true);
    const contentBytes = tables.getUint32(at + 20, true);
    const spans = (offsets[last] as number) - (offsets[first] as number);
    if (
      tables.getUint32(at, true) !== first ||
      tables.getUint32(at + 4, true) !== last - first ||
      spans !== contentBytes
    ) {
      throw malformed(source.name, `its batch ${number} is not samples ${first} to ${last - 1}`);
    }
    if (offset + length > source.size) {
      throw malformed(
        source.name,
        `it has ${source.size} bytes, and its batch ${number} ends at ${offset + length}`,
      );
    }
    return { number, offset, length, contentBytes };
  });
  return { kind: 'frames', offsets, rowsAFrame, frames };
}

/** The Arrow file that stands between the samples' end and the trailer. */
async function findArrow(source: ByteSource, start: number): Promise<ByteSource> {
  const at = source.size - ARROW_TRAILER_BYTES;
  const trailer =
    at >= start ? Buffer.from(await source.read(at, ARROW_TRAILER_BYTES)) : Buffer.alloc(ARROW_TRAILER_BYTES);
  if (!trailer.subarray(4).equals(ARROW_MAGIC) || start + trailer.readUInt32LE(0) !== at) {
    throw malformed(source.name, `it has ${source.size} bytes, and its last sample ends at ${start}`);
  }
  return {
    name: source.name,
    size: at - start,
    read: (offset, length, signal) => source.read(start + offset, length, signal),
  };
}

function checkCount(source: ByteSource, count: number, samples: number): void {
  if (count !== samples)
    throw malformed(source.name, `it has ${count} samples, and index.json says ${samples}`);
}

function readOffsets(source: ByteSource, view: DataView, at: number, samples: number): Uint32Array {
  const offsets = new Uint32Array(samples + 1);
  for (let i = 0; i <= samples; i++) {
    offsets[i] = view.getUint32(at + 4 * i, true);
    if (i > 0 && (offsets[i] as number) < (offsets[i - 1] as number)) {
      throw malformed(source.name, `its sample ${i - 1} ends before it begins`);
    }
  }
  return offsets;
}

/**
 * The leaves of a sample's bytes: first the length of each, then each.
 *
 * @param name of the sample, for messages
 * @throws DATASET_MALFORMED where the lengths are not those of the bytes
 */
export function splitItem(item: Uint8Array, leaves: number, name: string): Uint8Array[] {
  const table = 4 * leaves;
  if (item.length < table)
    throw malformed(name, `its ${item.length} bytes hold no lengths of ${leaves} values`);
  const view = viewOf(item);
  let at = table;
  const values = Array.from({ length: leaves }, (_, i) => {
    const start = at;
    at += view.getUint32(4 * i, true);
    return item.subarray(start, at);
  });
  if (at !== item.length)
    throw malformed(name, `its values have ${at - table} bytes, and it has ${item.length - table}`);
  return values;
}
