import { parseRunKey, type RunKey } from '@cropstream/broker';
import { failure } from '@cropstream/errors';
import type { OwnerLimits } from '@cropstream/runtime';

/** @throws QUOTA_EXCEEDED where an owner would have more than its quota, if it has one */
export function requireQuota(owner: string, what: string, value: number, quota: number | null): void {
  if (quota !== null && value > quota) throw failure('QUOTA_EXCEEDED', { owner, what, value, limit: quota });
}

/**
 * How many chunks of each run that is drawn from may wait in the queue: of the twice as many as there are compute slots, so
 * that workers stay busy, owners get parts by their weights, and each owner's runs even parts of its own. At least one
 * each, so that none starves.
 */
export function sharesOf(
  slots: number,
  active: ReadonlySet<RunKey>,
  limitsOf: (owner: string) => Pick<OwnerLimits, 'weight'>,
): ReadonlyMap<RunKey, number> {
  const runs = new Map<string, RunKey[]>();
  for (const key of active) {
    const { owner } = parseRunKey(key);
    runs.set(owner, [...(runs.get(owner) ?? []), key]);
  }
  const weightOf = (owner: string) => limitsOf(owner).weight;
  const whole = [...runs.keys()].reduce((sum, owner) => sum + weightOf(owner), 0);
  return new Map(
    [...runs].flatMap(([owner, keys]) => {
      const part = weightOf(owner) / whole / keys.length;
      return keys.map((key): [RunKey, number] => [key, Math.max(1, Math.ceil(2 * slots * part))]);
    }),
  );
}
