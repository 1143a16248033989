import { describe, expect, it, vi } from 'vitest';
import { MemoryPart } from '../shard-memory.js';
import { BoundedCache, Gate } from './bounded-cache.js';

/** Loads that end when they are told to, and which of them were begun. */
function controlled() {
  const begun: string[] = [];
  const finish = new Map<string, (bytes?: number) => void>();
  const fail = new Map<string, () => void>();
  const load = (key: string) => () => {
    begun.push(key);
    return new Promise<{ value: string; bytes: number }>((resolve, reject) => {
      finish.set(key, (bytes = 10) => resolve({ value: `value of ${key}`, bytes }));
      fail.set(key, () => reject(new Error(`no ${key}`)));
    });
  };
  return { begun, finish, fail, load };
}

const loaded = (value: string, bytes: number) => async () => ({ value, bytes });
const never = () => Promise.reject(new Error('it was to be there'));

describe('BoundedCache', () => {
  it('loads once for all who ask meanwhile and later', async () => {
    const { begun, finish, load } = controlled();
    const cache = new BoundedCache<string, string>(new MemoryPart(100));
    const asked = [cache.get('a', load('a')), cache.get('a', load('a'))];
    finish.get('a')?.();
    expect(await Promise.all(asked)).toEqual(['value of a', 'value of a']);
    expect(await cache.get('a', never)).toBe('value of a');
    expect(begun).toEqual(['a']);
  });

  it('keeps the last used within its bytes, and one that is larger', async () => {
    const cache = new BoundedCache<string, string>(new MemoryPart(20));
    await cache.get('a', loaded('a', 10));
    await cache.get('b', loaded('b', 10));
    await cache.get('a', never);
    await cache.get('c', loaded('c', 10));
    expect(await cache.get('a', never)).toBe('a');
    expect(await cache.get('b', loaded('b again', 10))).toBe('b again');
    await cache.get('large', loaded('large', 50));
    expect(await cache.get('large', never)).toBe('large');
    expect(await cache.get('a', loaded('a again', 10))).toBe('a again');
    expect(await cache.get('large', loaded('large again', 50))).toBe('large again');
  });

  it('loads again what failed', async () => {
    const { fail, load } = controlled();
    const cache = new BoundedCache<string, string>(new MemoryPart(100));
    const asked = cache.get('a', load('a'));
    fail.get('a')?.();
    await expect(asked).rejects.toThrow('no a');
    expect(await cache.get('a', loaded('a', 1))).toBe('a');
  });

  it('begins no more loads at once than it may, whatever becomes of them', async () => {
    const { begun, finish, fail, load } = controlled();
    const cache = new BoundedCache<string, string>(new MemoryPart(100), new Gate(2));
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((key) => cache.get(key, load(key)));
    expect(begun).toEqual(['a', 'b']);
    fail.get('a')?.();
    await expect(a).rejects.toThrow('no a');
    await vi.waitFor(() => expect(begun).toEqual(['a', 'b', 'c']));
    finish.get('b')?.();
    finish.get('c')?.();
    await Promise.all([b, c]);
    await vi.waitFor(() => expect(begun).toContain('d'));
    finish.get('d')?.();
    expect(await d).toBe('value of d');
  });

  it('shares its bytes with other caches, and lets go of what was used least recently in any', async () => {
    const memory = new MemoryPart(30);
    const one = new BoundedCache<string, string>(memory);
    const two = new BoundedCache<string, string>(memory);
    await one.get('a', loaded('a of one', 10));
    await two.get('a', loaded('a of two', 10));
    await two.get('b', loaded('b of two', 10));
    await one.get('a', never);
    await two.get('c', loaded('c of two', 10));
    expect(memory.usedBytes).toBe(30);
    expect(await one.get('a', never)).toBe('a of one');
    expect(await two.get('b', never)).toBe('b of two');
    expect(await two.get('a', loaded('a again', 10))).toBe('a again');
  });

  it('gives its bytes back when it is closed, those of loads under way too', async () => {
    const { finish, load } = controlled();
    const memory = new MemoryPart(30);
    const closing = new BoundedCache<string, string>(memory);
    const staying = new BoundedCache<string, string>(memory);
    await staying.get('a', loaded('a', 10));
    await closing.get('b', loaded('b', 10));
    const late = closing.get('late', load('late'));
    closing.close();
    finish.get('late')?.();
    expect(await late).toBe('value of late');
    expect(memory.usedBytes).toBe(10);
    expect(await staying.get('a', never)).toBe('a');
  });
});
