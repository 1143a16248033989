/** A line of a chart over time. */
export interface Line {
  readonly key: string;
  readonly label: string;
  /** Its place in the palette, which it keeps while others come and go. */
  readonly color: number;
  /** The value now. */
  readonly now: number;
}

/** What uPlot draws: seconds since 1970, then a row of values for each line; null where there was none. */
export interface Timeline {
  readonly lines: readonly Line[];
  readonly times: readonly number[];
  readonly values: readonly (readonly (number | null)[])[];
}

/** Lines that are told apart by colour and dash; what is beyond is one line, "others". */
export const MOST_LINES = 7;

interface Sample {
  /** Seconds since 1970. */
  readonly at: number;
  readonly values: ReadonlyMap<string, number>;
}

/** The last minutes of some rates, kept by the page itself: nobody asks the service for history. */
export class History {
  readonly #seconds: number;
  readonly #samples: Sample[] = [];
  readonly #labels = new Map<string, string>();
  readonly #colors = new Map<string, number>();

  /** @param seconds how far back it goes */
  constructor(seconds: number) {
    this.#seconds = seconds;
  }

  /** @param at seconds since 1970; not before what was added last */
  add(
    at: number,
    rates: readonly { readonly key: string; readonly label: string; readonly rate: number }[],
  ): void {
    if (at <= (this.#samples.at(-1)?.at ?? Number.NEGATIVE_INFINITY)) return;
    for (const { key, label } of rates) this.#labels.set(key, label);
    this.#samples.push({ at, values: new Map(rates.map(({ key, rate }) => [key, rate])) });
    while (this.#samples.length > 0 && this.#samples[0]!.at < at - this.#seconds) this.#samples.shift();
    this.#forget();
  }

  clear(): void {
    this.#samples.length = 0;
    this.#forget();
  }

  /** Lines that no kept sample has give their colour back. */
  #forget(): void {
    const live = new Set(this.#samples.flatMap(({ values }) => [...values.keys()]));
    for (const key of this.#labels.keys()) {
      if (live.has(key)) continue;
      this.#labels.delete(key);
      this.#colors.delete(key);
    }
    for (const key of live) {
      if (this.#colors.has(key)) continue;
      const taken = new Set(this.#colors.values());
      let color = 0;
      while (taken.has(color)) color++;
      this.#colors.set(key, color);
    }
  }

  /** The lines with the most now first; beyond `MOST_LINES` they are summed up. */
  timeline(): Timeline {
    const last = this.#samples.at(-1)?.values;
    const keys = [...this.#labels.keys()].sort(
      (a, b) => (last?.get(b) ?? -1) - (last?.get(a) ?? -1) || a.localeCompare(b),
    );
    const own = keys.length > MOST_LINES ? keys.slice(0, MOST_LINES - 1) : keys;
    const rest = keys.slice(own.length);
    const lines = own.map(
      (key): Line => ({
        key,
        label: this.#labels.get(key) ?? key,
        color: this.#colors.get(key) ?? 0,
        now: last?.get(key) ?? 0,
      }),
    );
    const values: (number | null)[][] = own.map((key) =>
      this.#samples.map((sample) => sample.values.get(key) ?? null),
    );
    if (rest.length > 0) {
      const sums = this.#samples.map(({ values }) =>
        rest.reduce((sum, key) => sum + (values.get(key) ?? 0), 0),
      );
      lines.push({ key: '', label: `${rest.length} others`, color: MOST_LINES, now: sums.at(-1) ?? 0 });
      values.push(sums);
    }
    return { lines, times: this.#samples.map(({ at }) => at), values };
  }
}
