import type { Kept, MemoryPart } from '../shard-memory.js';

/** What was loaded for a key, and the memory that it takes. */
export interface Loaded<Value> {
  readonly value: Value;
  readonly bytes: number;
}

/** Lets so many do their work at once; the others wait their turn. */
export class Gate {
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  constructor(private readonly most: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inside += 1;
    try {
      return await work();
    } finally {
      // The place goes to who waits longest.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#inside -= 1;
    }
  }
}

/**
 * The values of one reader that were used last, in memory that it shares with others. Each is loaded once, whoever asks for it at a
 * time; one that failed to load is tried again when it is next asked for.
 */
export class BoundedCache<Key, Value> {
  readonly #loaded = new Map<Key, Kept & Loaded<Value>>();
  readonly #underWay = new Map<Key, Promise<Value>>();
  #closed = false;

  /** @param gate through which loads go. @default all at once */
  constructor(
    private readonly memory: MemoryPart,
    private readonly gate?: Gate,
  ) {}

  get(key: Key, load: () => Promise<Loaded<Value>>): Promise<Value> {
    const known = this.#loaded.get(key);
    if (known) {
      this.memory.touch(known);
      return Promise.resolve(known.value);
    }
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay;
    const loading = this.#load(key, load).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, loading);
    return loading;
  }

  /** Lets go of all values, and keeps none from now on. */
  close(): void {
    this.#closed = true;
    for (const kept of this.#loaded.values()) this.memory.release(kept);
    this.#loaded.clear();
  }

  async #load(key: Key, load: () => Promise<Loaded<Value>>): Promise<Value> {
    const { value, bytes } = await (this.gate ? this.gate.run(load) : load());
    if (!this.#closed) {
      const kept = { value, bytes, dropped: () => this.#loaded.delete(key) };
      this.#loaded.set(key, kept);
      this.memory.keep(kept);
    }
    return value;
  }
}
