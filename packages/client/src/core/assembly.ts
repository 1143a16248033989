import type { ChunkHeader, Column } from '@cropstream/protocol';
import { Batch, type FieldColumn, type Substitution } from './batch.js';
import { ParamTable } from './params.js';
import type { FieldInfo, RunInfo } from './run.js';
import { bytesOf, type Dtype, type Tensor, tensorBytes, tensorOver } from './tensor.js';
import type { TensorPool } from './tensor-pool.js';

/** Which columns a trainer wants beside views, `_indices` and `labels`, which it always gets. */
export interface Selection {
  readonly params: boolean;
  readonly excludeFields: ReadonlySet<string>;
}

export interface BatchPosition {
  readonly epoch: number;
  readonly step: number;
  readonly globalStep: number;
}

const PARAMS = 'params/';

/** A batch while its chunks arrive: its tensors, into which each chunk's rows are written where they belong. */
export class BatchBuilder {
  /** What the tensors take. Strings come on top. */
  readonly bytes: number;
  readonly #tensors = new Map<string, Tensor>();
  readonly #strings = new Map<string, string[]>();
  readonly #substitutions = new Map<number, readonly Substitution[]>();
  readonly #fields: readonly FieldInfo[];

  constructor(
    private readonly run: RunInfo,
    private readonly selection: Selection,
    private readonly position: BatchPosition,
    private readonly rows: number,
    private readonly pool: TensorPool,
  ) {
    this.#fields = run.fields.filter(({ name }) => !selection.excludeFields.has(name));
    for (const { name, dtype, shape } of run.views) this.#allocate(name, dtype, shape);
    this.#allocate('_indices', 'int64', []);
    this.#allocate('labels', 'int64', []);
    for (const { name, dtype } of this.#fields) {
      if (dtype === 'string') this.#strings.set(name, new Array<string>(rows).fill(''));
      else this.#allocate(name, dtype, []);
    }
    this.bytes = [...this.#tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  }

  /** Where the rows [firstRow, firstRow + rows) of the batch are written. */
  sink(firstRow: number, rows: number): ChunkSink {
    return new ChunkSink({
      rows,
      required: [...this.#tensors.keys(), ...this.#strings.keys()].filter((name) => !name.startsWith(PARAMS)),
      destination: (column) => this.#destination(column, firstRow, rows),
      strings: (name, values) => {
        const target = this.#strings.get(name);
        for (let row = 0; row < values.length; row++)
          if (target) target[firstRow + row] = values[row] as string;
      },
      substitutions: (found) => {
        this.#substitutions.set(
          firstRow,
          found.map((substitution) => ({ ...substitution, row: firstRow + substitution.row })),
        );
      },
    });
  }

  /** The batch, once every row was written. */
  finish(): Batch {
    const fields = new Map<string, FieldColumn>(
      this.#fields.map(({ name }) => [name, this.#strings.get(name) ?? this.#column(name)]),
    );
    const inOrder = [...this.#substitutions].sort(([a], [b]) => a - b);
    return new Batch({
      ...this.position,
      views: new Map(this.run.views.map(({ name }) => [name, this.#tensors.get(name) as Tensor])),
      indices: this.#column('_indices') as BigInt64Array<ArrayBuffer>,
      labels: this.#column('labels') as BigInt64Array<ArrayBuffer>,
      fields,
      params: this.selection.params ? this.#params() : null,
      substitutions: inOrder.flatMap(([, substitutions]) => substitutions),
      recycle: (memory) => this.pool.giveBack(memory),
    });
  }

  #allocate(name: string, dtype: Dtype, shape: readonly number[]): Tensor {
    const whole = [this.rows, ...shape];
    const tensor = tensorOver(dtype, whole, this.pool.take(tensorBytes(dtype, whole)));
    this.#tensors.set(name, tensor);
    return tensor;
  }

  #column(name: string) {
    return this.#tensors.get(name)?.data as FieldColumn & Tensor['data'];
  }

  #params(): Map<string, ParamTable> {
    return new Map(
      this.run.views.flatMap(({ name }) => {
        const data = this.#tensors.get(PARAMS + name)?.data;
        return data instanceof Float32Array ? [[name, new ParamTable(this.rows, data)] as const] : [];
      }),
    );
  }

  /** The bytes that a column of a chunk goes to; null: nobody wants it; a string: why it cannot be. */
  #destination(column: Column, firstRow: number, rows: number): Uint8Array | null | string {
    if (this.#strings.has(column.name)) {
      return column.dtype === 'string'
        ? new Uint8Array(Number(column.bytes))
        : `is ${column.dtype}, not string`;
    }
    const tensor = this.#tensors.get(column.name) ?? this.#paramsTensor(column);
    if (tensor === null) return null;
    const shape = tensor.shape.slice(1);
    if (column.dtype !== tensor.dtype || column.shape.join() !== shape.join()) {
      return `is ${column.dtype}[${column.shape}], not ${tensor.dtype}[${shape}]`;
    }
    const rowBytes = tensorBytes(tensor.dtype, shape);
    if (Number(column.bytes) !== rows * rowBytes) {
      return `has ${column.bytes} bytes, not ${rows * rowBytes}`;
    }
    return bytesOf(tensor.data).subarray(firstRow * rowBytes, (firstRow + rows) * rowBytes);
  }

  /** Parameters have as many columns as their maker knows, so their tensor waits for the first header. */
  #paramsTensor({ name, dtype, shape }: Column): Tensor | null {
    const wanted =
      this.selection.params && name.startsWith(PARAMS) && dtype === 'float32' && shape.length === 1;
    if (!wanted) return null;
    const tensor = this.#allocate(name, dtype, shape);
    // Not every chunk needs to have them.
    bytesOf(tensor.data).fill(0);
    return tensor;
  }
}

interface SinkTarget {
  readonly rows: number;
  /** Columns that a chunk must have. */
  readonly required: readonly string[];
  destination(column: Column): Uint8Array | null | string;
  strings(name: string, values: readonly string[]): void;
  substitutions(found: readonly Substitution[]): void;
}

interface Span {
  readonly column: Column;
  readonly bytes: number;
  readonly target: Uint8Array | null;
}

/**
 * Takes one chunk's payload, piece by piece in order, and copies each byte once, to where it belongs. May be begun
 * again: a second copy of the same chunk goes over the first.
 */
export class ChunkSink {
  #spans: Span[] = [];
  #span = 0;
  #at = 0;

  constructor(private readonly target: SinkTarget) {}

  /** Checks the chunk's columns against the run; the problem, or null. */
  begin(header: ChunkHeader): string | null {
    const { rows, required } = this.target;
    this.#spans = [];
    this.#span = 0;
    this.#at = 0;
    if (header.samples !== rows) return `it has ${header.samples} samples, not ${rows}`;
    const names = new Set(header.columns.map(({ name }) => name));
    const missing = required.find((name) => !names.has(name));
    if (missing !== undefined) return `it has no column ${missing}`;
    let total = 0;
    for (const column of header.columns) {
      const target = this.target.destination(column);
      if (typeof target === 'string') return `column ${column.name} ${target}`;
      this.#spans.push({ column, bytes: Number(column.bytes), target });
      total += Number(column.bytes);
    }
    if (total !== Number(header.payloadBytes)) {
      return `its columns have ${total} bytes, its payload ${header.payloadBytes}`;
    }
    this.target.substitutions(
      header.substitutions.map(({ row, originalIndex, deliveredIndex, path, code, reason }) => ({
        row,
        originalIndex: Number(originalIndex),
        deliveredIndex: Number(deliveredIndex),
        path,
        code,
        reason,
      })),
    );
    return null;
  }

  /** The next bytes of the payload; no more of them than the header said. */
  write(data: Uint8Array): void {
    for (let from = 0; from < data.length; ) {
      const span = this.#spans[this.#span];
      if (span === undefined) throw new RangeError('more bytes than the chunk has');
      const take = Math.min(span.bytes - this.#at, data.length - from);
      const part = take === data.length ? data : data.subarray(from, from + take);
      span.target?.set(part, this.#at);
      from += take;
      this.#at += take;
      if (this.#at === span.bytes) {
        this.#span++;
        this.#at = 0;
      }
    }
  }

  /** Reads the strings, once all bytes are there and checked; the problem, or null. */
  end(): string | null {
    for (const { column, target } of this.#spans) {
      if (column.dtype !== 'string' || target === null) continue;
      const values = readStrings(target, this.target.rows);
      if (values === null) return `column ${column.name} does not hold ${this.target.rows} strings`;
      this.target.strings(column.name, values);
    }
    return null;
  }
}

/** Rows of a 32-bit little-endian length and UTF-8; null where the bytes are not `rows` such rows. */
function readStrings(bytes: Uint8Array, rows: number): string[] | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: string[] = [];
  let at = 0;
  for (let row = 0; row < rows; row++) {
    if (at + 4 > buffer.length) return null;
    const end = at + 4 + buffer.readUInt32LE(at);
    if (end > buffer.length) return null;
    values.push(buffer.toString('utf8', at + 4, end));
    at = end;
  }
  return at === buffer.length ? values : null;
}
