import type { Rank } from '@cropstream/api';

/** Over so many seconds a share of waiting is taken. */
const OVER_SECONDS = 10;

export const rankKey = ({ run, consumer, rank, world_size }: Rank): string =>
  `${run} ${consumer} ${rank} ${world_size}`;

interface Told {
  readonly waited: number;
  readonly elapsed: number;
}

/** Shares of their time that ranks waited for data, lately. */
export class WaitMeter {
  readonly #told = new Map<string, Told[]>();

  /** @param ranks all of one run; what is known of others of that run is forgotten */
  add(run: string, ranks: readonly Rank[]): void {
    const live = new Set(ranks.map(rankKey));
    for (const key of this.#told.keys()) {
      if (key.startsWith(`${run} `) && !live.has(key)) this.#told.delete(key);
    }
    for (const rank of ranks) {
      const { waited_seconds: waited, elapsed_seconds: elapsed } = rank;
      const kept = this.#told.get(rankKey(rank)) ?? [];
      const last = kept.at(-1);
      // Another process under the same rank begins anew.
      if (last !== undefined && elapsed < last.elapsed) kept.length = 0;
      if (elapsed !== kept.at(-1)?.elapsed) kept.push({ waited, elapsed });
      while (kept.length > 2 && kept[1]!.elapsed <= elapsed - OVER_SECONDS) kept.shift();
      this.#told.set(rankKey(rank), kept);
    }
  }

  /** In [0, 1]; null where the rank has not told twice yet. */
  shareOf(rank: Rank): number | null {
    const kept = this.#told.get(rankKey(rank)) ?? [];
    const [first, last] = [kept[0], kept.at(-1)];
    if (first === undefined || last === undefined || last.elapsed <= first.elapsed) return null;
    return Math.min(1, Math.max(0, (last.waited - first.waited) / (last.elapsed - first.elapsed)));
  }
}
