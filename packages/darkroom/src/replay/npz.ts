import { crc32 } from 'node:zlib';
import type { Batch } from '@cropstream/client';
import { npyParts, npyStrings } from './npy.js';

/**
 * A batch as NumPy's .npz, a ZIP of .npy files, uncompressed: its views by name, `_indices`, `labels`, and its fields. In
 * parts, so that no tensor is copied.
 */
export function encodeNpz(batch: Batch): readonly Uint8Array[] {
  const files: [string, readonly Buffer[]][] = [];
  for (const [name, { dtype, shape, data }] of batch.views) files.push([name, npyParts(dtype, shape, data)]);
  files.push(['_indices', npyParts('int64', [batch.length], batch.indices)]);
  files.push(['labels', npyParts('int64', [batch.length], batch.labels)]);
  for (const [name, column] of batch.fields) {
    if (column instanceof BigInt64Array) files.push([name, npyParts('int64', [batch.length], column)]);
    else if (column instanceof Float64Array) files.push([name, npyParts('float64', [batch.length], column)]);
    else files.push([name, npyStrings(column)]);
  }
  return zip(files.map(([name, parts]) => ({ name: `${name}.npy`, parts })));
}

interface StoredFile {
  readonly name: string;
  readonly parts: readonly Uint8Array[];
}

const LOCAL_HEADER = 30;
const CENTRAL_HEADER = 46;
const END_RECORD = 22;
/** Version 2.0: plain files; bit 11: names are UTF-8; the first of January 1980, so that the same batch has the same bytes. */
const [VERSION, UTF8_NAMES, NO_DATE] = [20, 1 << 11, 0x21];

/**
 * A ZIP without compression, of less than 4 GiB.
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
function zip(files: readonly StoredFile[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, parts } of files) {
    const encoded = Buffer.from(name);
    const size = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const crc = parts.reduce((sum, part) => crc32(part, sum), 0);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(VERSION, 0);
    common.writeUInt16LE(UTF8_NAMES, 2);
    common.writeUInt16LE(NO_DATE, 8);
    common.writeUInt32LE(crc, 10);
    common.writeUInt32LE(size, 14);
    common.writeUInt32LE(size, 18);
    common.writeUInt16LE(encoded.length, 22);
    const local = Buffer.alloc(LOCAL_HEADER);
    local.writeUInt32LE(0x04034b50, 0);
    common.copy(local, 4);
    const entry = Buffer.alloc(CENTRAL_HEADER);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(VERSION, 4);
    common.copy(entry, 6);
    entry.writeUInt32LE(offset, 42);
    central.push(entry, encoded);
    out.push(local, encoded, ...parts);
    offset += LOCAL_HEADER + encoded.length + size;
  }
  const end = Buffer.alloc(END_RECORD);
  const centralSize = central.reduce((sum, { length }) => sum + length, 0);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(centralSize, 12);
  end.writeUInt32LE(offset, 16);
  return [...out, ...central, end];
}
