// @ts-check
import { mapValues } from './plan.mjs';
import { distribution, histogram } from './stalls.mjs';

/**
 * @typedef {object} Outcome
 * @property {number} seed
 * @property {number} kills
 * @property {number} seconds
 * @property {number} steps of every rank
 * @property {readonly import('./stalls.mjs').Done[]} faults
 * @property {readonly string[]} failures parts that ended by themselves
 * @property {number} cuts
 * @property {Record<string, number>} killed
 * @property {readonly ReturnType<typeof import('./streams.mjs').compareStreams>[]} ranks
 * @property {readonly import('./stalls.mjs').Span[]} waits
 * @property {Record<string, readonly number[]>} starts milliseconds by kind of part
 * @property {ReadonlyMap<string, readonly number[]>} stalls milliseconds by kind of fault
 */

/** What is told of a run of chaos. @param {Outcome} outcome */
export function summary({ faults, waits, stalls, starts, ...outcome }) {
  const all = waits.map(({ from, to }) => to - from);
  const sum = (/** @type {'lost' | 'repeated' | 'other'} */ what) =>
    outcome.ranks.reduce((total, rank) => total + rank[what], 0);
  return {
    ok: outcome.failures.length === 0 && outcome.ranks.every(({ equal }) => equal),
    ...outcome,
    seconds: Math.round(outcome.seconds),
    lost: sum('lost'),
    repeated: sum('repeated'),
    other: sum('other'),
    faults: Object.fromEntries([...countBy(faults.map(({ part, kind }) => `${part} ${kind}`))].sort()),
    start_ms: mapValues(starts, distribution),
    wait_ms: distribution(all),
    waits: histogram(all),
    stall_ms: Object.fromEntries([...stalls].sort().map(([kind, values]) => [kind, distribution(values)])),
  };
}

/** @param {readonly string[]} names */
function countBy(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

const BAR = 40;

/** @param {ReturnType<typeof summary>} result */
export function report(result) {
  const { killed, ranks, stall_ms: stalls, wait_ms: wait, waits } = result;
  const total = Object.values(killed).reduce((sum, count) => sum + count, 0);
  const kinds = Object.entries(killed).map(([kind, count]) => `${kind} ${count}`);
  const lines = [
    `seed ${result.seed}: ${result.seconds} s, ${result.steps} steps of ${ranks.length} ranks`,
    `SIGKILLs            ${total} (${kinds.join(', ')})`,
    `connections cut     ${result.cuts}, in the middle of what passed`,
    '',
    ...ranks.map(({ digest, equal, lost, repeated, other }, rank) => {
      const verdict = equal ? 'the undisturbed stream' : `lost ${lost}, repeated ${repeated}, other ${other}`;
      return `rank ${rank}  ${digest}  ${verdict}`;
    }),
    `lost ${result.lost}, repeated ${result.repeated}, other bytes ${result.other}`,
    ...result.failures.map((failure) => `FAIL  ${failure}`),
    '',
    `longest wait of a rank, seconds       faults      p50      p90      p99      max`,
    ...Object.entries(stalls).map(([kind, d]) => row(kind, d)),
    row('any wait for a batch', wait),
    '',
    `from a start until it works, seconds   count      p50      p90      p99      max`,
    ...Object.entries(result.start_ms).map(([kind, d]) => row(kind, d)),
    '',
    'waits for a batch',
    ...bars(waits),
    '',
    result.ok ? 'as promised' : 'FAILED',
  ];
  return lines.join('\n');
}

/** @param {string} name @param {ReturnType<typeof distribution>} d */
function row(name, { count, p50, p90, p99, max }) {
  const seconds = [p50, p90, p99, max].map((ms) => (ms / 1000).toFixed(2).padStart(9));
  return `  ${name.padEnd(32)}${String(count).padStart(10)}${seconds.join('')}`;
}

/** Bars of a logarithm's length: one long wait among thousands is to be seen. @param {ReturnType<typeof histogram>} bins */
function bars(bins) {
  const most = Math.log1p(Math.max(...bins.map(({ count }) => count)));
  return bins.map(({ from, to, count }) => {
    const label = to === null ? `from ${from / 1000} s` : `${from / 1000} to ${to / 1000} s`;
    const bar = '█'.repeat(Math.ceil((BAR * Math.log1p(count)) / most));
    return `  ${label.padEnd(16)} ${bar} ${count || ''}`.trimEnd();
  });
}
