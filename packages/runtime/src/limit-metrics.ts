import { Gauge, type Registry } from 'prom-client';
import type { LimitTable } from './service-variables.js';

type Limits<L> = { readonly [K in keyof L]: number };

/** What a metric of limits in one unit is called behind `limit`, and what its values are divided by. */
const UNITS: readonly (readonly [suffix: string, unit: string, factor: number])[] = [
  ['Ms', '_seconds', 1000],
  ['Bytes', '_bytes', 1],
  ['Percent', '_ratio', 100],
  ['', '', 1],
];

/**
 * Every configured limit of a service, and how much of it is in use where that can be told:
 * `cropstream_<part>_limit{limit="max_runs"}` and `cropstream_<part>_limit_used{limit="max_runs"}`, with `_seconds`,
 * `_bytes` or `_ratio` behind `limit` by the limit's unit. A limit's label is its variable's name without the prefix.
 */
export class LimitMetrics<L extends Limits<L>> {
  readonly #limits = new Map<string, Gauge<'limit'>>();
  readonly #used = new Map<string, Gauge<'limit'>>();
  #look: () => Promise<Partial<Limits<L>>> = async () => ({});

  constructor(
    registry: Registry,
    part: string,
    private readonly table: LimitTable<L>,
  ) {
    const units = new Set((Object.keys(table) as (keyof L)[]).map((limit) => unitOf(limit).unit));
    for (const unit of units) {
      const gauge = (name: string, help: string, collect = async () => {}) =>
        new Gauge({
          name: `cropstream_${part}_${name}${unit}`,
          help,
          labelNames: ['limit'],
          registers: [registry],
          collect,
        });
      this.#limits.set(
        unit,
        gauge('limit', `Configured limits${inUnit(unit)}, by the variable that sets each.`),
      );
      if (unit === '_seconds' || unit === '_ratio') continue;
      const look = async () => this.use(await this.#look());
      this.#used.set(unit, gauge('limit_used', `How much of a limit is in use${inUnit(unit)}.`, look));
    }
  }

  set(limits: Partial<Limits<L>>): void {
    this.#write(this.#limits, limits);
  }

  use(used: Partial<Limits<L>>): void {
    this.#write(this.#used, used);
  }

  /** Asks at each scrape what is in use. */
  watch(look: () => Promise<Partial<Limits<L>>>): void {
    this.#look = look;
  }

  #write(gauges: ReadonlyMap<string, Gauge<'limit'>>, values: Partial<Limits<L>>): void {
    for (const limit of Object.keys(values) as (keyof L)[]) {
      const { unit, factor } = unitOf(limit);
      const [variable] = this.table[limit];
      const label = variable.replace(/^CROPSTREAM_/, '').toLowerCase();
      gauges.get(unit)?.set({ limit: label }, (values[limit] as number) / factor);
    }
  }
}

function unitOf(limit: PropertyKey): { readonly unit: string; readonly factor: number } {
  const [, unit, factor] = UNITS.find(([suffix]) => String(limit).endsWith(suffix))!;
  return { unit, factor };
}

function inUnit(unit: string): string {
  return unit === '' ? '' : ` in ${unit.slice(1)}`.replace('in ratio', 'as ratios');
}
