/** A chunk's memory, on loan from a pool. */
export interface PooledBuffer {
  readonly buffer: SharedArrayBuffer;
  /** Gives it back; further calls do nothing. */
  release(): void;
}

/** Chunks of one run differ by little: rounded up to this, they reuse one another's buffers. */
const GRAIN = 64 * 1024;

/**
 * SharedArrayBuffers for chunks, used again and again. Engines do not count shared memory as garbage to
 * hurry for, so buffers that are dropped linger; those that are kept do not. Threads may hold on to a
 * released buffer's wrapper, but have no task left that writes to it.
 */
export class BufferPool {
  readonly #free: SharedArrayBuffer[] = [];
  #freeBytes = 0;
  #lentBytes = 0;

  /** @param limitBytes free buffers are kept while all buffers together, lent and free, take no more */
  constructor(readonly limitBytes: number) {}

  /** Bytes of buffers on loan. */
  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** Bytes of buffers kept for later. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** What a buffer of at least `bytes` takes at most: what to reserve for it. */
  static capacityFor(bytes: number): number {
    return Math.ceil(Math.max(bytes, 1) / GRAIN) * GRAIN;
  }

  /** A buffer of at least `bytes`, its content arbitrary. */
  acquire(bytes: number): PooledBuffer {
    const capacity = BufferPool.capacityFor(bytes);
    const found = this.#free.findIndex((buffer) => buffer.byteLength === capacity);
    let buffer: SharedArrayBuffer;
    if (found === -1) {
      buffer = new SharedArrayBuffer(capacity);
    } else {
      buffer = this.#free.splice(found, 1)[0]!;
      this.#freeBytes -= capacity;
    }
    this.#lentBytes += capacity;
    this.#trim();
    let lent = true;
    return {
      buffer,
      release: () => {
        if (!lent) return;
        lent = false;
        this.#lentBytes -= capacity;
        this.#free.push(buffer);
        this.#freeBytes += capacity;
        this.#trim();
      },
    };
  }

  /** The oldest go first: they are of runs that ended. */
  #trim(): void {
    while (this.#free.length > 0 && this.#lentBytes + this.#freeBytes > this.limitBytes) {
      this.#freeBytes -= this.#free.shift()!.byteLength;
    }
  }
}
