import { type Backend, instantiate, type KernelExports } from './wasm-module.js';

const PAGE = 65536;
const MAX_PAGES = 65536;
/** Kernels load and store this many bytes at a time at most, and may run past a region's end by less. */
const SPARE = 64;
/** Where regions and planes begin: a cache line, so that the widest loads and stores need not straddle two. */
const ALIGNMENT = 64;
/** A region that grows takes this much more than asked, so that a folder of slightly different sizes settles. */
const MAX_HEADROOM = 4 * 1024 * 1024;

/** An image does not fit into WebAssembly's 4 GiB. */
export class KernelMemoryError extends RangeError {
  override readonly name = 'KernelMemoryError';
}

/** The next multiple of ALIGNMENT. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

interface Block {
  readonly address: number;
  readonly size: number;
}

/** The memory of one instance, given out by first fit. */
export class Arena {
  readonly kernels: KernelExports;
  /** Free blocks by address, never adjacent; beyond `#end` all is free. */
  #free: Block[] = [];
  #end: number;

  constructor(backend: Backend) {
    this.kernels = instantiate(backend);
    this.#end = aligned(this.kernels.heapBase());
  }

  get bytes(): number {
    return this.kernels.memory.buffer.byteLength;
  }

  /** `size` is a multiple of ALIGNMENT. */
  take(size: number): number {
    const index = this.#free.findIndex((block) => block.size >= size);
    if (index >= 0) {
      const { address, size: found } = this.#free[index]!;
      this.#free.splice(index, 1, ...(found > size ? [{ address: address + size, size: found - size }] : []));
      return address;
    }
    const address = this.#end;
    this.#growTo(address + size);
    this.#end = address + size;
    return address;
  }

  give(address: number, size: number): void {
    const blocks = [...this.#free, { address, size }].sort((a, b) => a.address - b.address);
    const merged: Block[] = [];
    for (const block of blocks) {
      const before = merged.at(-1);
      if (before && before.address + before.size === block.address) {
        merged[merged.length - 1] = { address: before.address, size: before.size + block.size };
      } else merged.push(block);
    }
    const last = merged.at(-1);
    if (last && last.address + last.size === this.#end) {
      this.#end = last.address;
      merged.pop();
    }
    this.#free = merged;
  }

  #growTo(end: number): void {
    const missing = Math.ceil((end - this.bytes) / PAGE);
    if (missing <= 0) return;
    if (end <= MAX_PAGES * PAGE) {
      try {
        this.kernels.memory.grow(missing);
        return;
      } catch {
        // The engine or the machine has no more; reported below like the limit itself.
      }
    }
    throw new KernelMemoryError(
      `The pixel kernels need ${end} bytes of memory for an image of this size, but have ${this.bytes} and could not ` +
        `grow (WebAssembly ends at ${MAX_PAGES * PAGE}); use a smaller image or limit`,
    );
  }
}

/** A piece of an arena that grows on demand and forgets what it held when it does. */
export class Region {
  readonly #arena: Arena;
  #address = 0;
  #size = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** The address of at least `bytes` bytes, aligned, with room for kernels to run past their end. */
  reserve(bytes: number): number {
    if (bytes + SPARE > this.#size) {
      if (this.#size > 0) this.#arena.give(this.#address, this.#size);
      this.#size = 0;
      const headroom = Math.min(bytes / 4, MAX_HEADROOM);
      const size = aligned(bytes + SPARE + headroom);
      this.#address = this.#arena.take(size);
      this.#size = size;
    }
    return this.#address;
  }

  get address(): number {
    return this.#address;
  }
}
