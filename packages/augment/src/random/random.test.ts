import { readFileSync } from 'node:fs';
import { randomKey } from '@cropstream/schedule';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkViewKeys, Draws, exp, log, Stream, type ViewIdentity, viewKey } from '../index.js';

function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../../docs/vectors/${name}`, import.meta.url), 'utf8')) as T;
}

function bits(x: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  return view.getBigUint64(0).toString(16).padStart(16, '0');
}

/** Units in the last place of `expected`. */
const ulps = (actual: number, expected: number) =>
  Math.abs(actual - expected) / (Math.abs(expected) * Number.EPSILON);

describe('exp and log', () => {
  const published = vectors<Record<'exp' | 'log', { x: number; bits: string }[]>>('elementary.json');

  it('give the published bits', () => {
    for (const { x, bits: expected } of published.exp) expect(bits(exp(x)), `exp ${x}`).toBe(expected);
    for (const { x, bits: expected } of published.log) expect(bits(log(x)), `log ${x}`).toBe(expected);
  });

  it("agree with the engine's to the last bits", () => {
    fc.assert(
      fc.property(fc.double({ min: -700, max: 700, noNaN: true }), (x) => {
        expect(ulps(exp(x), Math.exp(x))).toBeLessThan(3);
      }),
    );
    fc.assert(
      fc.property(fc.double({ min: 1e-300, max: 1e300, noNaN: true }), (x) => {
        expect(Math.abs(log(x) - Math.log(x))).toBeLessThanOrEqual(
          3 * Number.EPSILON * Math.abs(Math.log(x)),
        );
      }),
    );
  });

  it('refuse what they are not made for', () => {
    for (const x of [701, -701, Number.NaN, Infinity]) expect(() => exp(x)).toThrow(RangeError);
    for (const x of [0, -1, Number.NaN, Infinity, 5e-324]) expect(() => log(x)).toThrow(RangeError);
  });
});

interface PublishedStreams {
  random_keys: { tag: 'augment'; seed: number; epoch: number; key: string[] }[];
  view_keys: { view: ViewIdentity; key: string }[];
  draws: {
    seed: number;
    epoch: number;
    sample_id: number;
    view: ViewIdentity;
    slot: number;
    words: string[];
    uniform: number;
    integer_0_to_23: number;
  }[];
}

describe('streams', () => {
  const published = vectors<PublishedStreams>('streams.json');
  const parse = (word: string) => Number.parseInt(word, 16);

  it('give the published keys and numbers', () => {
    for (const { tag, seed, epoch, key } of published.random_keys) {
      expect(randomKey(tag, seed, epoch)).toEqual(key.map(parse));
    }
    for (const { view, key } of published.view_keys) expect(viewKey(view)).toBe(parse(key));
    for (const draw of published.draws) {
      const key = randomKey('augment', draw.seed, draw.epoch);
      const stream = new Stream(key, draw.sample_id, viewKey(draw.view));
      expect(stream.words(draw.slot)).toEqual(draw.words.map(parse));
      expect(stream.uniform(draw.slot)).toBe(draw.uniform);
      expect(stream.integer(draw.slot, 0, 23)).toBe(draw.integer_0_to_23);
    }
  });

  it('stay within their ranges', () => {
    const u32 = fc.integer({ min: 0, max: 0xffffffff });
    const int = fc.integer({ min: -100_000, max: 100_000 });
    fc.assert(
      fc.property(
        fc.tuple(u32, u32),
        fc.maxSafeNat(),
        u32,
        u32,
        int,
        fc.nat(100_000),
        (key, id, view, slot, lo, span) => {
          const stream = new Stream(key, id, view);
          const uniform = stream.uniform(slot);
          expect(uniform).toBeGreaterThanOrEqual(0);
          expect(uniform).toBeLessThan(1);
          const integer = stream.integer(slot, lo, lo + span);
          expect(Number.isInteger(integer) && integer >= lo && integer <= lo + span).toBe(true);
        },
      ),
    );
  });

  it('answer by address: the same slot the same number, whatever was asked before', () => {
    const stream = new Stream([1, 2], 3, 4);
    const first = stream.uniform(300);
    for (let slot = 0; slot < 50; slot++) stream.uniform(slot);
    expect(stream.uniform(300)).toBe(first);
    expect(new Draws(stream, 1).uniform(300 - 256)).toBe(first);
  });

  it('use both halves of a sample id', () => {
    const uniforms = [5, 2 ** 32 + 5, 2 ** 52 + 5].map((id) => new Stream([1, 2], id, 4).uniform(0));
    expect(new Set(uniforms).size).toBe(3);
  });
});

describe('view keys', () => {
  it('hang on the seed where there is one, else on the name', () => {
    expect(viewKey({ name: 'a', seed: 5 })).toBe(viewKey({ name: 'b', seed: 5 }));
    expect(viewKey({ name: 'a', seed: 5, copy: 0 })).not.toBe(viewKey({ name: 'a', seed: 5 }));
    expect(viewKey({ name: 'a' })).not.toBe(viewKey({ name: 'b' }));
  });

  it('may be shared on purpose, not by accident', () => {
    const yoked = [
      { name: 'a', seed: 5 },
      { name: 'b', seed: 5 },
    ];
    expect(() => checkViewKeys(yoked)).not.toThrow();
    const unlucky = () => checkViewKeys([{ name: 'a' }, { name: 'b' }], () => 7);
    expect(unlucky).toThrow(
      expect.objectContaining({ code: 'VIEW_KEY_COLLISION', details: { first: 'a', second: 'b' } }),
    );
  });
});
