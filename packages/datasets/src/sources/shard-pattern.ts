/** Names of shards written short: braces, as WebDataset's users write them, and wildcards. Pure text; no I/O here. */

/** More names than this in one dataset are refused: an entry a shard is kept in memory. */
export const MAX_SHARDS = 1_000_000;

/** Thrown for a pattern that cannot be expanded. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

/**
 * Every name that a pattern with braces stands for, in order, as Python's `braceexpand` has it: `{a,b}`, `{0..9}`, `{000..147}`
 * (padded), `{0..100..5}`, nested; a backslash takes its special meaning from the character after it.
 *
 * @throws PatternError for unbalanced braces, or more than MAX_SHARDS names
 */
export function expandBraces(pattern: string): string[] {
  const [names, end] = sequence(pattern, 0, false);
  if (end !== pattern.length) throw new PatternError('its braces are unbalanced');
  return names;
}

/** Whether a pattern has braces that are not escaped. */
export const hasBraces = (pattern: string): boolean => /(?:^|[^\\])(?:\\\\)*[{}]/.test(pattern);

/** Whether a name has wildcards: `*` stands for any characters but slashes, `?` for one. */
export const hasWildcards = (name: string): boolean => /[*?]/.test(name);

/** Whether a name without slashes is one that a pattern stands for. Takes at most `name.length * pattern.length` steps. */
export function matchesWildcards(name: string, pattern: string): boolean {
  let at = 0;
  let place = 0;
  let star = -1;
  let resume = 0;
  while (at < name.length) {
    if (pattern[place] === '*') {
      star = place++;
      resume = at;
    } else if (pattern[place] === '?' || (place < pattern.length && pattern[place] === name[at])) {
      place += 1;
      at += 1;
    } else if (star >= 0) {
      place = star + 1;
      at = ++resume;
    } else return false;
  }
  while (pattern[place] === '*') place += 1;
  return place === pattern.length;
}

const INTEGERS = /^(-?\d{1,15})\.\.(-?\d{1,15})(?:\.\.-?(\d{1,15}))?$/;

/** Expands up to the end, or, inside braces, up to a comma or the closing brace. */
function sequence(pattern: string, from: number, inside: boolean): [names: string[], end: number] {
  let names = [''];
  let literal = '';
  let at = from;
  const take = (parts: readonly string[]) => {
    if (names.length * parts.length > MAX_SHARDS)
      throw new PatternError(`it stands for more than ${MAX_SHARDS} names`);
    names = names.flatMap((name) => parts.map((part) => name + literal + part));
    literal = '';
  };
  while (at < pattern.length) {
    const character = pattern[at] as string;
    if (character === '\\' && at + 1 < pattern.length) {
      literal += pattern[at + 1];
      at += 2;
    } else if (inside && (character === ',' || character === '}')) break;
    else if (character === '}') throw new PatternError('its braces are unbalanced');
    else if (character === '{') {
      const [parts, end] = braces(pattern, at + 1);
      take(parts);
      at = end;
    } else {
      literal += character;
      at += 1;
    }
  }
  take(['']);
  return [names, at];
}

/** What stands between braces, from after the opening one; the end is after the closing one. */
function braces(pattern: string, from: number): [names: string[], end: number] {
  const names: string[] = [];
  let alternatives = 0;
  for (let at = from; ; at++) {
    const [part, end] = sequence(pattern, at, true);
    if (end >= pattern.length) throw new PatternError('its braces are unbalanced');
    alternatives += 1;
    if (names.length + part.length > MAX_SHARDS)
      throw new PatternError(`it stands for more than ${MAX_SHARDS} names`);
    for (const name of part) names.push(name);
    at = end;
    if (pattern[end] === ',') continue;
    if (alternatives > 1) return [names, end + 1];
    // A single alternative is a range, or, as in a shell, the braces are meant.
    return [range(pattern.slice(from, end)) ?? names.map((name) => `{${name}}`), end + 1];
  }
}

function range(expression: string): string[] | null {
  const match = INTEGERS.exec(expression);
  if (match === null) return null;
  const [, first = '', last = '', by = '1'] = match;
  const step = Number(by) || 1;
  const [from, to] = [Number(first), Number(last)];
  const count = Math.floor(Math.abs(to - from) / step) + 1;
  if (count > MAX_SHARDS) throw new PatternError(`it stands for more than ${MAX_SHARDS} names`);
  const isPadded = [first, last].some((text) => /^-?0\d/.test(text));
  const width = isPadded ? Math.max(first.length, last.length) : 0;
  const sign = to < from ? -1 : 1;
  return Array.from({ length: count }, (_, i) => {
    const value = from + sign * i * step;
    const digits = String(Math.abs(value));
    return value < 0 ? `-${digits.padStart(width - 1, '0')}` : digits.padStart(width, '0');
  });
}
