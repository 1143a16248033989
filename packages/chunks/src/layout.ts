import { PARAM_COLUMNS } from '@cropstream/augment';

/** dtypes of a chunk's columns, as the wire names them. */
export type ColumnDtype = 'uint8' | 'float32' | 'float16' | 'bfloat16' | 'int64' | 'float64' | 'string';

export interface FieldColumn {
  readonly name: string;
  readonly dtype: 'string' | 'int64' | 'float64';
}

/** What the layout needs of a compiled view. */
export interface ViewColumn {
  readonly name: string;
  readonly dtype: ColumnDtype;
  /** Of one sample. */
  readonly shape: readonly number[];
  readonly bytesPerSample: number;
}

/** One column of a finished chunk, as its header says it. */
export interface Column {
  readonly name: string;
  readonly dtype: ColumnDtype;
  /** Of one sample; empty for a scalar. */
  readonly shape: readonly number[];
  /** Of the whole column. */
  readonly bytes: number;
}

/** What is known of a row besides its pixels, once its sample was made. */
export interface Row {
  readonly index: number;
  readonly label: number;
  readonly fields: Readonly<Record<string, string | number>>;
  /** float32[views, PARAM_COLUMNS.length]. */
  readonly params: Float32Array;
}

const PARAM_BYTES = 4 * PARAM_COLUMNS.length;

/**
 * Where a chunk's columns lie in its payload: each view [n, ...shape] one after the other in the spec's
 * order, `_indices`, `labels`, the other fields by name, then `params/<view>`; little-endian, rows contiguous.
 * The views' places depend on n alone, so that threads can write them before the rest is known.
 */
export class ChunkLayout {
  readonly fields: readonly FieldColumn[];
  /** Bytes of one sample's views. */
  readonly sampleBytes: number;
  readonly #viewStarts: readonly number[];

  constructor(
    readonly views: readonly ViewColumn[],
    fields: readonly FieldColumn[],
  ) {
    this.fields = [...fields].sort((a, b) => (a.name < b.name ? -1 : 1));
    const starts: number[] = [];
    let bytes = 0;
    for (const view of views) {
      starts.push(bytes);
      bytes += view.bytesPerSample;
    }
    this.#viewStarts = starts;
    this.sampleBytes = bytes;
  }

  /** Byte offset of a view's row in a chunk of `samples` rows. */
  viewOffset(view: number, row: number, samples: number): number {
    return this.#viewStarts[view]! * samples + row * this.views[view]!.bytesPerSample;
  }

  /** Bytes of a chunk whose fields take no more than `fieldBytes` a sample. */
  bytesFor(samples: number, fieldBytes: number): number {
    return samples * (this.sampleBytes + 16 + fieldBytes + this.views.length * PARAM_BYTES);
  }

  /** Bytes of everything after the views. */
  tailBytes(rows: readonly Row[]): number {
    let bytes = rows.length * (16 + this.views.length * PARAM_BYTES);
    for (const field of this.fields) bytes += fieldBytes(field, rows);
    return bytes;
  }

  /** Writes everything after the views into `payload`, and describes all columns. */
  finish(rows: readonly Row[], payload: Uint8Array): Column[] {
    const samples = rows.length;
    const columns: Column[] = this.views.map(({ name, dtype, shape, bytesPerSample }) => ({
      name,
      dtype,
      shape,
      bytes: bytesPerSample * samples,
    }));
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    let offset = this.sampleBytes * samples;
    const scalars = (name: string, dtype: 'int64' | 'float64', values: readonly number[]) => {
      for (const [row, value] of values.entries()) {
        const at = offset + 8 * row;
        if (dtype === 'int64') view.setBigInt64(at, BigInt(value), true);
        else view.setFloat64(at, value, true);
      }
      columns.push({ name, dtype, shape: [], bytes: 8 * samples });
      offset += 8 * samples;
    };
    scalars(
      '_indices',
      'int64',
      rows.map((row) => row.index),
    );
    scalars(
      'labels',
      'int64',
      rows.map((row) => row.label),
    );
    for (const { name, dtype } of this.fields) {
      if (dtype !== 'string') {
        scalars(
          name,
          dtype,
          rows.map((row) => Number(row.fields[name])),
        );
        continue;
      }
      const start = offset;
      for (const row of rows) {
        const text = Buffer.from(String(row.fields[name] ?? ''), 'utf8');
        view.setUint32(offset, text.length, true);
        payload.set(text, offset + 4);
        offset += 4 + text.length;
      }
      columns.push({ name, dtype, shape: [], bytes: offset - start });
    }
    for (const [index, { name }] of this.views.entries()) {
      for (const [row, { params }] of rows.entries()) {
        for (let column = 0; column < PARAM_COLUMNS.length; column++) {
          const at = offset + row * PARAM_BYTES + 4 * column;
          view.setFloat32(at, params[index * PARAM_COLUMNS.length + column]!, true);
        }
      }
      columns.push({
        name: `params/${name}`,
        dtype: 'float32',
        shape: [PARAM_COLUMNS.length],
        bytes: PARAM_BYTES * samples,
      });
      offset += PARAM_BYTES * samples;
    }
    return columns;
  }
}

function fieldBytes({ name, dtype }: FieldColumn, rows: readonly Row[]): number {
  if (dtype !== 'string') return 8 * rows.length;
  let bytes = 0;
  for (const row of rows) bytes += 4 + Buffer.byteLength(String(row.fields[name] ?? ''), 'utf8');
  return bytes;
}
