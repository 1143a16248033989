import { describe, expect, it, vi } from 'vitest';
import { BoundedCache } from './bounded-cache.js';

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
    const cache = new BoundedCache<string, string>(100);
    const asked = [cache.get('a', load('a')), cache.get('a', load('a'))];
    finish.get('a')?.();
    expect(await Promise.all(asked)).toEqual(['value of a', 'value of a']);
    expect(await cache.get('a', never)).toBe('value of a');
    expect(begun).toEqual(['a']);
  });

  it('keeps the last used within its bytes, and one that is larger', async () => {
    const cache = new BoundedCache<string, string>(20);
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
    const cache = new BoundedCache<string, string>(100);
    const asked = cache.get('a', load('a'));
    fail.get('a')?.();
    await expect(asked).rejects.toThrow('no a');
    expect(await cache.get('a', loaded('a', 1))).toBe('a');
  });

  it('begins no more loads at once than it may, whatever becomes of them', async () => {
    const { begun, finish, fail, load } = controlled();
    const cache = new BoundedCache<string, string>(100, 2);
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

  it('lets go of what is over', async () => {
    const cache = new BoundedCache<string, string>(20);
    await cache.get('1/a', loaded('a', 10));
    await cache.get('2/b', loaded('b', 10));
    cache.forget((key) => key.startsWith('1/'));
    await cache.get('2/c', loaded('c', 10));
    expect(await cache.get('2/b', never)).toBe('b');
    expect(await cache.get('1/a', loaded('a again', 10))).toBe('a again');
  });
});
