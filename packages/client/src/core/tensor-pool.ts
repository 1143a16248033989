/**
 * glibc returns freed memory at the end of its heap to the system, to be mapped page by page again, until it has seen a
 * block as large as this freed: then it keeps twice as much. What sockets are read into is freed and taken all the time, and
 * mapping it takes longer than receiving. Nothing is ever written to the block, so it takes no memory.
 */
const LARGE_BYTES = 31 << 20;

/** Memory of batches that were given back, for batches to come: at most `limitBytes` of it. */
export class TensorPool {
  readonly #free = new Map<number, ArrayBuffer[]>();
  #freeBytes = 0;

  constructor(private readonly limitBytes: number) {
    // Freed when the engine next collects.
    void new ArrayBuffer(LARGE_BYTES);
  }

  /** Of exactly so many bytes, which may have any values. */
  take(bytes: number): ArrayBuffer {
    const kept = this.#free.get(bytes)?.pop();
    if (kept !== undefined) {
      this.#freeBytes -= bytes;
      return kept;
    }
    // Not zeroed: what is overwritten at once would be written twice.
    return Buffer.allocUnsafeSlow(bytes).buffer;
  }

  /** Takes memory back. Whoever still has arrays on it finds them empty, never with what is written there later. */
  giveBack(memory: ArrayBuffer): void {
    // Given back before, or moved to another thread.
    if (memory.byteLength === 0) return;
    const moved = structuredClone(memory, { transfer: [memory] });
    const bytes = moved.byteLength;
    if (this.#freeBytes + bytes > this.limitBytes) return;
    this.#freeBytes += bytes;
    const kept = this.#free.get(bytes);
    if (kept === undefined) this.#free.set(bytes, [moved]);
    else kept.push(moved);
  }
}
