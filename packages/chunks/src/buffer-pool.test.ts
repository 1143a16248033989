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

  it('keeps no more than it may, the newest', () => {
    const pool = new BufferPool(200_000);
    const lent = [65_536, 131_072, 196_608].map((bytes) => pool.acquire(bytes));
    expect(pool.lentBytes).toBe(65_536 + 131_072 + 196_608);
    for (const { release } of lent) release();
    expect(pool.lentBytes).toBe(0);
    expect(pool.freeBytes).toBe(196_608);
    pool.acquire(1_000_000).release();
    expect(pool.freeBytes).toBe(196_608);
  });
});
