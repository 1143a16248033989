import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandBraces, hasBraces, hasWildcards, matchesWildcards, PatternError } from './shard-pattern.js';

describe('expandBraces', () => {
  // As Python's braceexpand gives them, which WebDataset uses.
  it.each([
    ['a.tar', ['a.tar']],
    ['train-{000..003}.tar', ['train-000.tar', 'train-001.tar', 'train-002.tar', 'train-003.tar']],
    ['{8..11}', ['8', '9', '10', '11']],
    ['{08..11}', ['08', '09', '10', '11']],
    ['{0..6..3}', ['0', '3', '6']],
    ['{2..-1}', ['2', '1', '0', '-1']],
    ['{-01..1}', ['-01', '000', '001']],
    ['{a,b}/{0..1}', ['a/0', 'a/1', 'b/0', 'b/1']],
    ['x{,.tar}', ['x', 'x.tar']],
    ['p{2.{5..6},3.{2,3}}', ['p2.5', 'p2.6', 'p3.2', 'p3.3']],
    ['{one}', ['{one}']],
    ['a\\{0..1\\}', ['a{0..1}']],
  ])('expands %s', (pattern, names) => {
    expect(expandBraces(pattern)).toEqual(names);
  });

  it.each([
    ['{', /unbalanced/],
    ['a}', /unbalanced/],
    ['{a,{b}', /unbalanced/],
    ['{0..1000000}', /more than 1000000/],
    ['{0..9999}{0..9999}', /more than 1000000/],
    [`${'{0..9}'.repeat(40)}`, /more than 1000000/],
  ])('refuses %s', (pattern, reason) => {
    expect(() => expandBraces(pattern)).toThrow(reason);
  });

  it('ends on any text, with names or a PatternError', () => {
    const text = fc.array(fc.constantFrom('{', '}', ',', '..', '0', '7', 'a', '\\', '-'), { maxLength: 40 });
    fc.assert(
      fc.property(text, (parts) => {
        try {
          expect(expandBraces(parts.join('')).length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(PatternError);
        }
      }),
    );
  });

  it('tells braces and wildcards from other names', () => {
    expect([hasBraces('a{0..1}'), hasBraces('a\\{b'), hasWildcards('a*'), hasWildcards('a')]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });
});

describe('matchesWildcards', () => {
  it('agrees with the regular expression of the pattern', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?'), maxLength: 6 });
    fc.assert(
      fc.property(text, pattern, (name, wild) => {
        const source = wild.replace(/\./g, '\\.').replace(/\*/g, '.*').replace(/\?/g, '.');
        expect(matchesWildcards(name, wild)).toBe(new RegExp(`^${source}$`).test(name));
      }),
    );
  });

  it('takes no time for what makes a regular expression stand still', () => {
    expect(matchesWildcards('a'.repeat(5000), `${'*a'.repeat(200)}b`)).toBe(false);
  });
});
