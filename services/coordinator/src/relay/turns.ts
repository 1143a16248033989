/** One that holds a place or waits for one. */
interface Entry {
  readonly who: string;
  readonly begin: () => void;
  waiting: boolean;
}

/** A place, or a place in the queue. */
export interface Turn {
  /** Gives it up; once. */
  leave(): void;
}

/**
 * So many at once, and a queue for the rest: whoever holds the fewest places is next, and of those who hold as many, each in
 * turn. So one that asks for much waits for itself.
 */
export class Turns {
  /** By who waits, in the order of their turns. */
  readonly #queues = new Map<string, Entry[]>();
  readonly #holding = new Map<string, number>();
  #active = 0;
  #waiting = 0;

  constructor(
    readonly places: number,
    readonly maxWaiting: number,
  ) {}

  get active(): number {
    return this.#active;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** `begin` is called when the place is there, at once perhaps. Null: too many wait. */
  enter(who: string, begin: () => void): Turn | null {
    if (this.#active >= this.places && this.#waiting >= this.maxWaiting) return null;
    const entry: Entry = { who, begin, waiting: true };
    const queue = this.#queues.get(who);
    if (queue) queue.push(entry);
    else this.#queues.set(who, [entry]);
    this.#waiting++;
    this.#admit();
    return { leave: () => this.#leave(entry) };
  }

  #leave(entry: Entry): void {
    if (entry.waiting) {
      const queue = this.#queues.get(entry.who) as Entry[];
      this.#unqueue(entry, queue.indexOf(entry));
    } else {
      this.#active--;
      const held = (this.#holding.get(entry.who) as number) - 1;
      if (held > 0) this.#holding.set(entry.who, held);
      else this.#holding.delete(entry.who);
    }
    this.#admit();
  }

  #admit(): void {
    while (this.#active < this.places && this.#waiting > 0) {
      const [next] = this.#queues.get(this.#next()) as [Entry];
      this.#unqueue(next, 0);
      this.#active++;
      this.#holding.set(next.who, (this.#holding.get(next.who) ?? 0) + 1);
      next.begin();
    }
  }

  #next(): string {
    let least = Number.POSITIVE_INFINITY;
    let chosen = '';
    for (const who of this.#queues.keys()) {
      const held = this.#holding.get(who) ?? 0;
      if (held >= least) continue;
      least = held;
      chosen = who;
    }
    return chosen;
  }

  #unqueue(entry: Entry, at: number): void {
    const queue = this.#queues.get(entry.who) as Entry[];
    queue.splice(at, 1);
    entry.waiting = false;
    this.#waiting--;
    // Behind the others, if more of it waits.
    this.#queues.delete(entry.who);
    if (queue.length > 0) this.#queues.set(entry.who, queue);
  }
}
