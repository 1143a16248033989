import { describe, expect, it } from 'vitest';
import { BufferPool } from './buffer-pool.js';

describe('BufferPool', () => {
  it('hands out room for what was asked, as much as it said it would', () => {
    const pool = new BufferPool(1 << 20);
    for (const bytes of [0, 1, 65_536, 65_537, 1_000_000]) {
      const { buffer } = pool.acquire(bytes);
      expect(buffer.byteLength).toBeGreaterThanOrEqual(bytes);
      expect(buffer.byteLength).toBe(BufferPool.capacityFor(bytes));
    }
  });

  it('uses what was given back for what is as large, once', () => {
    const pool = new BufferPool(1 << 20);
    const first = pool.acquire(100_000);
    first.release();
    first.release();
    expect(pool.freeBytes).toBe(BufferPool.capacityFor(100_000));
    expect(pool.acquire(300_000).buffer).not.toBe(first.buffer);
    expect(pool.acquire(99_000).buffer).toBe(first.buffer);
    expect(pool.acquire(99_000).buffer).not.toBe(first.buffer);
    expect(pool.freeBytes).toBe(0);
  });

  it('keeps the newest, as long as all together take no more than they may', () => {
    const pool = new BufferPool(262_144);
    const lent = [65_536, 131_072, 196_608].map((bytes) => pool.acquire(bytes));
    expect(pool.lentBytes).toBe(65_536 + 131_072 + 196_608);
    lent[0]!.release();
    // The others are over the limit already.
    expect(pool.freeBytes).toBe(0);
    lent[1]!.release();
    expect(pool.freeBytes).toBe(0);
    lent[2]!.release();
    expect(pool.lentBytes).toBe(0);
    expect(pool.freeBytes).toBe(196_608);
    const small = pool.acquire(65_536);
    expect(pool.freeBytes).toBe(196_608);
    // A kept one makes way for what is needed now.
    pool.acquire(131_072);
    expect(pool.freeBytes).toBe(0);
    small.release();
    expect(pool.freeBytes).toBe(65_536);
  });
});
