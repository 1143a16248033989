import { median, spread } from './statistics.mjs';

/** A difference below this is no matter of anybody's, however sure it is. */
const LEAST = 0.02;
/** In standard errors. */
const SURE = 4;
/** Milliseconds an image below which a stage is not judged by itself. */
const SMALL = 0.05;

/**
 * Whether `head` is slower than `base`, each a list of times by round, by more than two runs of the same code differ:
 * `again` is another one of `base`. Ratios are of the same round, so what slows the machine for a while falls out.
 *
 * @param {number[]} base @param {number[]} head @param {number[]} again
 */
export function judge(base, head, again) {
  const over = (times) => times.map((time, round) => time / base[round]);
  const [ratio, same] = [median(over(head)), median(over(again))];
  const error = Math.max(spread(over(head)), spread(over(again))) / Math.sqrt(base.length);
  const noise = Math.max(LEAST, SURE * error, 2 * Math.abs(same - 1));
  let verdict = 'same';
  if (median(base) >= SMALL && ratio > 1 + noise) verdict = 'slower';
  if (median(base) >= SMALL && ratio < 1 - noise) verdict = 'faster';
  return { base: median(base), head: median(head), ratio, noise, verdict };
}
