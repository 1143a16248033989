/** Hostile input: valid requests changed at random, the same for the same numbers in [0, 1). */

export type Random = () => number;

export const below = (random: Random, n: number) => Math.floor(random() * n);
export const oneOf = <T>(random: Random, values: readonly T[]): T =>
  values[below(random, values.length)] as T;

/** What parsers, paths, numbers and prototypes have been caught by. */
const NASTY: readonly unknown[] = [
  null,
  true,
  '',
  ' ',
  0,
  -1,
  -0,
  1.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 63),
  1e308,
  '1e999',
  'NaN',
  '__proto__',
  'constructor',
  'toString',
  '../../../../etc/passwd',
  '..%2f..%2fetc%2fpasswd',
  '/etc/passwd',
  'file:///etc/passwd',
  'http://127.0.0.1:1/',
  'a\u0000b',
  '\ud800',
  '\u202e\u200b',
  '漢'.repeat(300),
  'a'.repeat(5_000),
  '{{7*7}}<script>',
  "' OR 1=1 --",
  '%s%n%x',
  '*',
  ':',
  'a:b{c}',
  '\r\nx: y',
  [],
  {},
  [[]],
  [null],
  { length: -1 },
  { toString: null },
  { $ref: '#' },
];

/** A value in place of a valid one. */
export function nasty(random: Random): unknown {
  if (random() < 0.9) return oneOf(random, NASTY);
  let deep: unknown = 1;
  for (let i = below(random, 2_000); i > 0; i--) deep = random() < 0.5 ? [deep] : { a: deep };
  return deep;
}

/** A copy of plain data with something in it replaced, removed, doubled or added. */
export function mutateValue(value: unknown, random: Random): unknown {
  if (random() < 0.2 || typeof value !== 'object' || value === null) return nasty(random);
  if (Array.isArray(value)) {
    const copy = [...value];
    const at = below(random, copy.length + 1);
    const kind = below(random, 3);
    if (kind === 0) copy.splice(at, 1);
    else if (kind === 1) copy.splice(at, 0, ...copy);
    else copy[at] = mutateValue(copy[at], random);
    return copy;
  }
  const copy = new Map(Object.entries(value));
  const name = oneOf(random, [...copy.keys(), '__proto__', 'constructor', 'x', '']);
  if (random() < 0.2) copy.delete(name);
  else copy.set(name, mutateValue(copy.get(name), random));
  // Not by assignment, which `__proto__` would turn into something else.
  return Object.defineProperties(
    {},
    Object.fromEntries(
      [...copy].map(([key, value]) => [
        `${key}`,
        { value, enumerable: true, configurable: true, writable: true },
      ]),
    ),
  );
}

/** Bytes with some of them changed, dropped, repeated, or cut off. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let out = Buffer.from(bytes);
  for (let times = 1 + below(random, 4); times > 0; times--) {
    const at = below(random, out.length + 1);
    const length = below(random, 16);
    const kind = below(random, 5);
    if (kind === 0 && out.length > 0) out[Math.min(at, out.length - 1)] = below(random, 256);
    else if (kind === 1) out = Buffer.concat([out.subarray(0, at), out.subarray(at + length)]);
    else if (kind === 2)
      out = Buffer.concat([out.subarray(0, at), randomBytes(length, random), out.subarray(at)]);
    else if (kind === 3) out = Buffer.concat([out.subarray(0, at), out.subarray(Math.max(0, at - length))]);
    else out = out.subarray(0, at);
  }
  return out;
}

export function randomBytes(length: number, random: Random): Buffer {
  return Buffer.from(Array.from({ length }, () => below(random, 256)));
}
