/**
 * A counting semaphore over weights: first come, first served, so that an earlier chunk's samples go ahead
 * of a later one's. A weight over the whole budget is let in alone.
 */
export class Budget {
  #used = 0;
  readonly #waiting: { readonly weight: number; readonly enter: () => void }[] = [];

  constructor(readonly limit: number) {}

  get used(): number {
    return this.#used;
  }

  /** Resolves to the function that gives the weight back, once there is room. */
  async take(weight: number): Promise<() => void> {
    if (this.#waiting.length > 0 || !this.#fits(weight)) {
      await new Promise<void>((enter) => this.#waiting.push({ weight, enter }));
    } else {
      this.#used += weight;
    }
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#used -= weight;
      this.#admit();
    };
  }

  #fits(weight: number): boolean {
    return this.#used === 0 || this.#used + weight <= this.limit;
  }

  #admit(): void {
    for (let head = this.#waiting[0]; head && this.#fits(head.weight); head = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += head.weight;
      head.enter();
    }
  }
}
