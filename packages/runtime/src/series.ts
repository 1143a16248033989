import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface SeriesOptions<L extends string> {
  readonly registry: Registry;
  readonly labels: readonly L[];
  /** How many sets of label values have series of their own. */
  readonly max: number;
}

type Values<L extends string> = Readonly<Record<L, string>>;

/** The value of every label in the series that all share which came after `max` others. */
export const OTHERS = '(others)';

/**
 * Metrics whose series come and go with what their labels name, so that a scrape stays as small as what there is now, and
 * never larger than `max` makes it: what comes beyond shares one series, so that sums are right all the same.
 */
export class Series<L extends string> {
  readonly #options: SeriesOptions<L>;
  readonly #metrics: (Counter<L> | Gauge<L> | Histogram<L>)[] = [];
  readonly #known = new Map<string, Values<L>>();
  readonly #others: Values<L>;

  constructor(options: SeriesOptions<L>) {
    this.#options = options;
    this.#others = Object.fromEntries(options.labels.map((label) => [label, OTHERS])) as Values<L>;
  }

  counter(name: string, help: string): Counter<L> {
    return this.#add(new Counter({ name, help, ...this.#config() }));
  }

  gauge(name: string, help: string): Gauge<L> {
    return this.#add(new Gauge({ name, help, ...this.#config() }));
  }

  histogram(name: string, help: string, buckets: number[]): Histogram<L> {
    return this.#add(new Histogram({ name, help, buckets, ...this.#config() }));
  }

  /** The label values to count under. */
  of(values: Values<L>): Values<L> {
    const key = this.#keyOf(values);
    const known = this.#known.get(key);
    if (known) return known;
    if (this.#known.size >= this.#options.max) return this.#others;
    // No more than the labels: prom-client refuses others.
    const own = Object.fromEntries(this.#options.labels.map((label) => [label, values[label]])) as Values<L>;
    this.#known.set(key, own);
    return own;
  }

  /** Removes every series but of these; whatever comes back begins anew. */
  retain(values: Iterable<Values<L>>): void {
    const kept = new Set([...values].map((each) => this.#keyOf(each)));
    for (const [key, own] of this.#known) {
      if (kept.has(key)) continue;
      this.#known.delete(key);
      for (const metric of this.#metrics) metric.remove(own);
    }
  }

  #config(): { labelNames: L[]; registers: Registry[] } {
    return { labelNames: [...this.#options.labels], registers: [this.#options.registry] };
  }

  #add<M extends Counter<L> | Gauge<L> | Histogram<L>>(metric: M): M {
    this.#metrics.push(metric);
    return metric;
  }

  #keyOf(values: Values<L>): string {
    return JSON.stringify(this.#options.labels.map((label) => values[label]));
  }
}
