import { createHash } from 'node:crypto';
import type { Batch } from './core/batch.js';
import { bytesOf } from './core/tensor.js';

/**
 * SHA-256 over batches in the order they are given; of each, every view's bytes in the spec's order, the indices and the
 * labels as little-endian int64, then the other delivered fields in the order of their names (as UTF-8): strings as
 * UTF-8 after a 32-bit little-endian length, numbers as 8 little-endian bytes. Two streams with one digest are the
 * same data.
 */
export class StreamDigest {
  readonly #hash = createHash('sha256');

  update(batch: Batch): void {
    for (const { data } of batch.views.values()) this.#hash.update(bytesOf(data));
    this.#hash.update(bytesOf(batch.indices));
    this.#hash.update(bytesOf(batch.labels));
    const byName = [...batch.fields].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const [, column] of byName) {
      if (Array.isArray(column)) this.#strings(column);
      else this.#hash.update(bytesOf(column));
    }
  }

  /** Hexadecimal, of all batches so far; more may follow. */
  hex(): string {
    return this.#hash.copy().digest('hex');
  }

  #strings(values: readonly string[]): void {
    const length = Buffer.alloc(4);
    for (const value of values) {
      const bytes = Buffer.from(value, 'utf8');
      length.writeUInt32LE(bytes.length);
      this.#hash.update(length).update(bytes);
    }
  }
}
