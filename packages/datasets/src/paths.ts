/**
 * Paths inside a dataset: relative, `/` between parts, as Python's `str` has them: a byte of a file name that
 * is not UTF-8 is the lone surrogate U+DC00 + byte (PEP 383). So any name survives, and sorts as torchvision
 * sorts it.
 */

/**
 * Python's order of strings: by code point. JavaScript's `<` goes by UTF-16 unit, which puts everything
 * beyond U+FFFF before U+E000.
 *
 * @returns negative, zero or positive, for `Array.prototype.sort`
 */
export function compareCodePoints(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  let i = 0;
  while (i < shared && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  if (i === shared) return a.length - b.length;
  const unitA = a.charCodeAt(i);
  const unitB = b.charCodeAt(i);
  if (unitA < 0xd800 || unitB < 0xd800) return unitA - unitB;
  // Both may be the second half of a pair whose first half is shared.
  const start = i > 0 && isHighSurrogate(a.charCodeAt(i - 1)) ? i - 1 : i;
  return (a.codePointAt(start) as number) - (b.codePointAt(start) as number);
}

const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit < 0xdc00;

/** For people: what is not UTF-8 shows as U+FFFD. */
export const lossyUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A file name's bytes as a string that `encodePath` turns back into the same bytes. */
export function decodePath(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return decodeEscaped(bytes);
  }
}

/** Takes the longest valid UTF-8 prefix of 1 to 4 bytes at a time, and escapes the bytes that begin none. */
function decodeEscaped(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes[at] as number);
    const sequence = bytes.subarray(at, at + length);
    try {
      if (length === 0 || sequence.length < length) throw new TypeError('not UTF-8');
      text += strictUtf8.decode(sequence);
      at += length;
    } catch {
      text += String.fromCharCode(0xdc00 + (bytes[at] as number));
      at += 1;
    }
  }
  return text;
}

function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether a path has escaped bytes, so that it is no file's name before it is encoded. */
export function hasEscapes(path: string): boolean {
  return LONE_SURROGATE.test(path);
}

/** The bytes of a path: UTF-8, with escaped bytes as they were. */
export function encodePath(path: string): Uint8Array {
  if (!hasEscapes(path)) return Buffer.from(path, 'utf8');
  const parts: Uint8Array[] = [];
  for (const character of path) {
    const code = character.codePointAt(0) as number;
    const escaped = code >= 0xdc80 && code <= 0xdcff;
    parts.push(escaped ? Uint8Array.of(code - 0xdc00) : Buffer.from(character, 'utf8'));
  }
  return Buffer.concat(parts);
}

/**
 * Why a path is not one that stays inside its root, or null when it does: it must be relative, without NUL
 * and without empty, `.` and `..` parts. Links inside the root are the dataset owner's own and are followed.
 */
export function whyUnsafe(path: Uint8Array): string | null {
  if (path.length === 0) return 'it is empty';
  let start = 0;
  for (let i = 0; i <= path.length; i++) {
    if (path[i] === 0) return 'it contains NUL';
    if (i < path.length && path[i] !== SLASH) continue;
    const length = i - start;
    if (length === 0) return 'it has an empty part';
    const dots = path[start] === DOT && path[i - 1] === DOT;
    if (dots && length <= 2) return 'it has a . or .. part';
    start = i + 1;
  }
  return null;
}

const SLASH = 0x2f;
const DOT = 0x2e;

/** `folder/name`, or `name` alone in the root. */
export function joinPath(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}
