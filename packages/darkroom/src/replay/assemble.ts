import type { MadeChunk } from '@cropstream/chunks';
import { Batch, type FieldColumn, type Tensor } from '@cropstream/client';

type MadeColumn = MadeChunk['columns'][number];

/** A column's bytes of all chunks, joined in order, in memory of their own. */
function joined(chunks: readonly MadeChunk[], name: string): Uint8Array<ArrayBuffer> {
  const parts = chunks.map(({ columns, payload }) => {
    let offset = 0;
    for (const column of columns) {
      if (column.name === name) return payload.subarray(offset, offset + column.bytes);
      offset += column.bytes;
    }
    throw new RangeError(`a chunk without the column ${name}`);
  });
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function tensor({ dtype, shape }: MadeColumn, rows: number, bytes: Uint8Array<ArrayBuffer>): Tensor {
  const full = [rows, ...shape];
  switch (dtype) {
    case 'uint8':
      return { dtype, shape: full, data: bytes };
    case 'float32':
      return { dtype, shape: full, data: new Float32Array(bytes.buffer) };
    case 'float16':
    case 'bfloat16':
      return { dtype, shape: full, data: new Uint16Array(bytes.buffer) };
    default:
      throw new RangeError(`a view cannot be ${dtype}`);
  }
}

function field({ dtype }: MadeColumn, bytes: Uint8Array<ArrayBuffer>): FieldColumn {
  if (dtype === 'int64') return new BigInt64Array(bytes.buffer);
  if (dtype === 'float64') return new Float64Array(bytes.buffer);
  const values: string[] = [];
  const text = Buffer.from(bytes.buffer);
  for (let at = 0; at < text.length; ) {
    const end = at + 4 + text.readUInt32LE(at);
    values.push(text.toString('utf8', at + 4, end));
    at = end;
  }
  return values;
}

/** One rank's batch out of the chunks that it consists of, as a trainer's client would lay it out. */
export function assembleBatch(
  chunks: readonly MadeChunk[],
  views: readonly string[],
  at: { readonly epoch: number; readonly step: number; readonly globalStep: number },
): Batch {
  const rows = chunks.reduce((sum, { samples }) => sum + samples, 0);
  const columns = new Map((chunks[0]?.columns ?? []).map((column) => [column.name, column]));
  const columnOf = (name: string): MadeColumn => {
    const column = columns.get(name);
    if (column === undefined) throw new RangeError(`a chunk without the column ${name}`);
    return column;
  };
  const fields = [...columns.values()].filter(
    ({ name }) =>
      !views.includes(name) && !name.startsWith('params/') && name !== '_indices' && name !== 'labels',
  );
  let firstRow = 0;
  const substitutions = chunks.flatMap((chunk) => {
    const moved = chunk.substitutions.map((found) => ({ ...found, row: firstRow + found.row }));
    firstRow += chunk.samples;
    return moved;
  });
  return new Batch({
    ...at,
    views: new Map(views.map((name) => [name, tensor(columnOf(name), rows, joined(chunks, name))])),
    indices: new BigInt64Array(joined(chunks, '_indices').buffer),
    labels: new BigInt64Array(joined(chunks, 'labels').buffer),
    fields: new Map(fields.map((column) => [column.name, field(column, joined(chunks, column.name))])),
    params: null,
    substitutions,
  });
}
