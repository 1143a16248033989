import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareCodePoints, decodePath, encodePath, whyUnsafe } from './paths.js';

const golden = JSON.parse(readFileSync(new URL('../golden/image-folder.json', import.meta.url), 'utf8')) as {
  sorted: string[];
};

describe('compareCodePoints', () => {
  it("is Python's order of strings", () => {
    expect(golden.sorted.toReversed().sort(compareCodePoints)).toEqual(golden.sorted);
  });

  it('is the order of the code points, for any strings', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '\ud7ff', '\udc80', '\udcff', '\ue000', '\uffff', '😀', '😁'),
    });
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [left, right] = [a, b].map((s) => Array.from(s, (c) => c.codePointAt(0) as number));
        const differs = left!.findIndex((point, i) => point !== right![i]);
        const expected =
          differs === -1 || differs >= right!.length
            ? left!.length - right!.length
            : left![differs]! - right![differs]!;
        expect(Math.sign(compareCodePoints(a, b))).toBe(Math.sign(expected));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('decodePath', () => {
  it('is undone by encodePath, whatever the bytes', () => {
    const byte = fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(0xf0, 0x9f, 0x98, 0x80, 0xed, 0xa0, 0xbf, 0xef),
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 40 }), (values) => {
        const bytes = Uint8Array.from(values);
        expect(new Uint8Array(encodePath(decodePath(bytes)))).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  it('is plain UTF-8 where the bytes are', () => {
    const unit = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(unit, (text) => {
        expect(decodePath(Buffer.from(text))).toBe(text);
      }),
    );
  });
});

describe('whyUnsafe', () => {
  it.each(['a', 'a/b', '.hidden', '..a', 'a..', '...', 'a/.../b', 'a\nb', 'back\\slash', '%2e%2e/x', ' '])(
    'lets %j pass',
    (path) => expect(whyUnsafe(encodePath(path))).toBeNull(),
  );

  it.each([
    '',
    '/',
    '/etc/passwd',
    '..',
    '.',
    '../a',
    'a/..',
    'a/../b',
    'a/./b',
    'a//b',
    'a/',
    'a\0b',
    'a/\0',
  ])('stops %j', (path) => expect(whyUnsafe(encodePath(path))).toEqual(expect.any(String)));
});
