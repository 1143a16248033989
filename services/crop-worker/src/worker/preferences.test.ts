import { AFFINITIES } from '@cropstream/broker';
import { describe, expect, it } from 'vitest';
import { Preferences } from './preferences.js';

const worker = (host: number, fingerprint = 'f') => ({ address: `10.0.0.${host}:7500`, fingerprint });

function preferred(hosts: readonly number[]): ReadonlySet<number>[] {
  const workers = hosts.map((host) => worker(host));
  return workers.map((self) => {
    const preferences = new Preferences(self);
    preferences.update(workers);
    return preferences.preferred;
  });
}

describe('Preferences', () => {
  it('gives every part to exactly one worker, and each its share', () => {
    const shares = preferred([1, 2, 3, 4]);
    const all = shares.flatMap((share) => [...share]).sort((a, b) => a - b);
    expect(all).toEqual(Array.from({ length: AFFINITIES }, (_, i) => i));
    for (const share of shares) expect(share.size).toBeGreaterThan(AFFINITIES / 8);
  });

  it("moves none of the others' parts when a worker goes", () => {
    const [first, second, , fourth] = preferred([1, 2, 3, 4]);
    const [a, b, c] = preferred([1, 2, 4]);
    for (const [before, after] of [
      [first, a],
      [second, b],
      [fourth, c],
    ]) {
      for (const part of before ?? []) expect(after?.has(part)).toBe(true);
    }
  });

  it('takes no part for one of another fingerprint, and all where it is alone', () => {
    const preferences = new Preferences(worker(1));
    expect(preferences.preferred.size).toBe(0);
    preferences.update([worker(1), worker(2, 'other')]);
    expect(preferences.preferred.size).toBe(AFFINITIES);
  });
});
