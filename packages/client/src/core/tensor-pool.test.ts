import { describe, expect, it } from 'vitest';
import { TensorPool } from './tensor-pool.js';

describe('TensorPool', () => {
  it('gives memory again that was given back, in its size alone, each once', () => {
    const pool = new TensorPool(1_000);
    const [a, b] = [pool.take(100), pool.take(100)];
    new Uint8Array(a).fill(1);
    new Uint8Array(b).fill(2);
    pool.giveBack(a);
    pool.giveBack(b);
    expect(pool.take(99).byteLength).toBe(99);
    const again = [pool.take(100), pool.take(100)].map((memory) => new Uint8Array(memory)[50]);
    expect(again.sort()).toEqual([1, 2]);
    expect([a.byteLength, b.byteLength]).toEqual([0, 0]);
  });

  it('keeps no more than its limit', () => {
    const pool = new TensorPool(250);
    const all = [1, 2, 3].map((value) => {
      const memory = pool.take(100);
      new Uint8Array(memory).fill(value);
      return memory;
    });
    for (const memory of all) pool.giveBack(memory);
    // Emptied all the same.
    expect(all.map(({ byteLength }) => byteLength)).toEqual([0, 0, 0]);
    const again = [1, 2].map(() => new Uint8Array(pool.take(100))[50]);
    expect(again.sort()).toEqual([1, 2]);
  });

  it('leaves alone what was given back before or moved elsewhere', () => {
    const pool = new TensorPool(1_000);
    const memory = pool.take(100);
    structuredClone(memory, { transfer: [memory] });
    pool.giveBack(memory);
    pool.giveBack(memory);
    expect(pool.take(100).byteLength).toBe(100);
  });
});
