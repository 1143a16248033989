export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait before try number `tries` (from 0): doubling from `firstMs` up to `maxMs`, of which a random half
 * is taken off, so that trainers that lost the same coordinator do not return in step.
 */
export function backoffMs(tries: number, random: () => number, { firstMs, maxMs }: BackoffLimits): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(tries, 30)) * (1 - random() / 2);
}
