import { describe, expect, it } from 'vitest';
import { parseJson } from './index.js';

const nested = (levels: number) => `${'[{"a":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}`;

describe('JSON of a stranger', () => {
  it('may be nested to some depth, whatever stands in its strings', () => {
    expect(parseJson(nested(100))).toBeInstanceOf(Array);
    const text = `\\"${'['.repeat(1000)}`;
    expect(parseJson(JSON.stringify({ text }))).toEqual({ text });
    expect(parseJson(JSON.stringify(Array.from({ length: 1000 }, () => [{}])))).toHaveLength(1000);
  });

  it.each([102, 1_000_000])('is refused at %i levels', (levels) => {
    expect(() => parseJson(nested(levels))).toThrow(/nesting: over 100 is over the limit of 100/);
  });

  it('is refused where it is none', () => {
    for (const text of ['', '{', '"a', '[1,]']) expect(() => parseJson(text)).toThrow(SyntaxError);
  });
});
