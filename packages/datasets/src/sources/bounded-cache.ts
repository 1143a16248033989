/** What was loaded for a key, and the memory that it takes. */
export interface Loaded<Value> {
  readonly value: Value;
  readonly bytes: number;
}

/**
 * The values that were used last, so many bytes of them. Each is loaded once, whoever asks for it at a time; one that failed
 * to load is tried again when it is next asked for.
 */
export class BoundedCache<Key, Value> {
  readonly #loaded = new Map<Key, Loaded<Value>>();
  readonly #underWay = new Map<Key, Promise<Value>>();
  readonly #waiting: (() => void)[] = [];
  #loading = 0;
  #bytes = 0;

  /**
   * @param maxBytes kept at most, one larger value excepted
   * @param maxLoads under way at once
   */
  constructor(
    private readonly maxBytes: number,
    private readonly maxLoads = Number.POSITIVE_INFINITY,
  ) {}

  get(key: Key, load: () => Promise<Loaded<Value>>): Promise<Value> {
    const known = this.#loaded.get(key);
    if (known) {
      // Put last: the map's order is the order of last use.
      this.#loaded.delete(key);
      this.#loaded.set(key, known);
      return Promise.resolve(known.value);
    }
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay;
    const loading = this.#load(key, load).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, loading);
    return loading;
  }

  /** Lets go of values that are not needed any more. */
  forget(isOver: (key: Key) => boolean): void {
    for (const [key, { bytes }] of this.#loaded) {
      if (!isOver(key)) continue;
      this.#loaded.delete(key);
      this.#bytes -= bytes;
    }
  }

  async #load(key: Key, load: () => Promise<Loaded<Value>>): Promise<Value> {
    if (this.#loading >= this.maxLoads) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#loading += 1;
    try {
      const loaded = await load();
      this.#loaded.set(key, loaded);
      this.#bytes += loaded.bytes;
      for (const [other, { bytes }] of this.#loaded) {
        if (this.#bytes <= this.maxBytes || other === key) break;
        this.#loaded.delete(other);
        this.#bytes -= bytes;
      }
      return loaded.value;
    } finally {
      // The place goes to who waits longest.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#loading -= 1;
    }
  }
}
