// @ts-check

/** @typedef {{ rank: number, from: number, to: number }} Span of a rank, in milliseconds since 1970 */
/** @typedef {import('./plan.mjs').Fault & { at: number }} Done a fault and when it struck */

/**
 * The stalls that faults cost: of each fault the longest wait of any rank that went on at some moment between it and the
 * next fault. So a stall that lasts over the next fault counts for both. A trainer that was struck itself is told apart:
 * how long after its start or its continuation its next batch came; its waits until then count for no other fault.
 *
 * @param {readonly Done[]} faults in their order
 * @param {readonly Span[]} waits
 * @returns {Map<string, number[]>} milliseconds by kind of fault
 */
export function stallsByKind(faults, waits) {
  /** @type {Map<string, number[]>} */
  const stalls = new Map();
  /** @param {string} kind @param {number} ms */
  const add = (kind, ms) => stalls.set(kind, [...(stalls.get(kind) ?? []), ms]);
  const away = faults
    .filter(({ part }) => part === 'trainer')
    .map(({ kind, index: rank, at, forMs }) => {
      const back = waits.find((wait) => wait.rank === rank && wait.to > at + forMs)?.to ?? at + forMs;
      add(`trainer ${kind}, until it is back`, back - at - forMs);
      return { rank, from: at, to: back };
    });
  const others = waits.filter((wait) => !away.some((span) => span.rank === wait.rank && overlap(span, wait)));
  for (const [i, { part, kind, at }] of faults.entries()) {
    const span = { from: at, to: faults[i + 1]?.at ?? Number.POSITIVE_INFINITY };
    const during = others.filter((wait) => overlap(span, wait));
    add(`${part} ${kind}`, Math.max(0, ...during.map(({ from, to }) => to - from)));
  }
  return stalls;
}

/** @param {Omit<Span, 'rank'>} a @param {Omit<Span, 'rank'>} b */
const overlap = (a, b) => a.from < b.to && a.to > b.from;

/**
 * @param {readonly number[]} values
 */
export function distribution(values) {
  const sorted = [...values].sort((a, b) => a - b);
  /** @param {number} part */
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  return { count: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: sorted.at(-1) ?? 0 };
}

/** The lower ends of a histogram's bins in milliseconds. */
const BINS = [0, 10, 30, 100, 200, 300, 500, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000];

/**
 * @param {readonly number[]} values milliseconds
 * @returns {{ from: number, to: number | null, count: number }[]}
 */
export const histogram = (values) =>
  BINS.map((from, i) => {
    const to = BINS[i + 1] ?? null;
    return { from, to, count: values.filter((value) => value >= from && (to === null || value < to)).length };
  });
