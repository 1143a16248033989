// Seeded damage to JPEG files, for the tests that hold TurboJPEG, sharp and Pillow to one verdict.
// Used by this package's tests and by scripts that ask Pillow; nothing that serves imports it.
// No golden data here: the verdicts lie in assets/decode.

/** A damaged copy of a file, and how it was damaged. */
export interface Corruption {
  readonly kind: string;
  readonly bytes: Uint8Array;
}

/** xorshift32 over a hash of the seed: enough for choosing places to damage. */
class Dice {
  private state: number;

  constructor(seed: string) {
    let hash = 0x811c9dc5;
    for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193);
    this.state = hash | 1;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % limit;
  }
}

interface Segment {
  /** Offset of FF. */
  readonly at: number;
  readonly marker: number;
  /** Offset after the segment, before any entropy-coded data. */
  readonly end: number;
}

/** The segments of a sound JPEG, scans' restart markers left out. */
function segmentsOf(jpeg: Uint8Array): Segment[] {
  const segments: Segment[] = [];
  for (let at = 2; at + 4 <= jpeg.length; ) {
    const marker = jpeg[at + 1]!;
    if (jpeg[at] !== 0xff || marker === 0 || (marker >= 0xd0 && marker <= 0xd9)) {
      at++;
      continue;
    }
    const end = at + 2 + ((jpeg[at + 2]! << 8) | jpeg[at + 3]!);
    segments.push({ at, marker, end });
    at = end;
  }
  return segments;
}

const splice = (
  bytes: Uint8Array,
  at: number,
  remove: number,
  insert: Uint8Array | number[] = [],
): Uint8Array => {
  const out = new Uint8Array(bytes.length - remove + insert.length);
  out.set(bytes.subarray(0, at));
  out.set(insert, at);
  out.set(bytes.subarray(at + remove), at + insert.length);
  return out;
};

const withByte = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
  const out = bytes.slice();
  out[at] = value;
  return out;
};

/**
 * Damaged copies of one sound JPEG, always the same ones for the same name: cut at every 1/64 and
 * at each of the last bytes; bits and bytes changed everywhere, in headers and in tables; runs of
 * bytes lost, added, zeroed, repeated; markers damaged, moved, doubled; trailing rubbish.
 * `rounds` multiplies the random kinds.
 */
export function* corruptions(name: string, jpeg: Uint8Array, rounds = 1): Generator<Corruption> {
  const dice = new Dice(name);
  const size = jpeg.length;
  const segments = segmentsOf(jpeg);
  const scanAt = segments.find((segment) => segment.marker === 0xda)!.end;
  const entropy = (): number => scanAt + dice.below(size - scanAt);

  for (let i = 0; i < 64; i++) yield { kind: 'cut', bytes: jpeg.slice(0, Math.floor((size * i) / 64)) };
  for (let i = 1; i <= 12; i++) yield { kind: 'cut-end', bytes: jpeg.slice(0, size - i) };
  for (let i = 0; i < 40 * rounds; i++) {
    const at = dice.below(size);
    yield { kind: 'bit', bytes: withByte(jpeg, at, jpeg[at]! ^ (1 << dice.below(8))) };
  }
  for (let i = 0; i < 30 * rounds; i++) {
    yield { kind: 'entropy-byte', bytes: withByte(jpeg, entropy(), dice.below(256)) };
  }
  for (let i = 0; i < 12 * rounds; i++) yield { kind: 'entropy-ff', bytes: withByte(jpeg, entropy(), 0xff) };
  for (let i = 0; i < 30 * rounds; i++) {
    yield { kind: 'header-byte', bytes: withByte(jpeg, 2 + dice.below(scanAt - 2), dice.below(256)) };
  }
  for (const { at, marker, end } of segments) {
    const body = end - at - 4;
    for (let i = 0; i < 3 * rounds; i++) {
      const place = at + 4 + dice.below(Math.max(1, body));
      yield { kind: `segment-${marker.toString(16)}`, bytes: withByte(jpeg, place, dice.below(256)) };
    }
    yield { kind: 'length-high', bytes: withByte(jpeg, at + 2, dice.below(256)) };
    yield { kind: 'length-low', bytes: withByte(jpeg, at + 3, dice.below(256)) };
    yield { kind: 'marker-ff', bytes: withByte(jpeg, at, dice.below(256)) };
    yield { kind: 'marker-code', bytes: withByte(jpeg, at + 1, dice.below(256)) };
    yield { kind: 'marker-code', bytes: withByte(jpeg, at + 1, 0xc0 + dice.below(64)) };
    yield { kind: 'segment-lost', bytes: splice(jpeg, at, end - at) };
    yield { kind: 'segment-twice', bytes: splice(jpeg, end, 0, jpeg.subarray(at, end)) };
    yield { kind: 'segment-at-end', bytes: splice(jpeg, size - 2, 0, jpeg.subarray(at, end)) };
    yield { kind: 'segment-after-end', bytes: splice(jpeg, size, 0, jpeg.subarray(at, end)) };
    const cut = Math.max(1, dice.below(Math.max(2, body)));
    yield { kind: 'segment-short-at-end', bytes: splice(jpeg, size - 2, 2, jpeg.subarray(at, at + 2 + cut)) };
  }
  for (let i = 0; i < 16 * rounds; i++) {
    const run = 1 + dice.below(16);
    yield { kind: 'lost', bytes: splice(jpeg, dice.below(size - run), run) };
    yield { kind: 'lost-entropy', bytes: splice(jpeg, Math.min(entropy(), size - run), run) };
    const rubbish = Array.from({ length: run }, () => dice.below(256));
    yield { kind: 'added', bytes: splice(jpeg, dice.below(size), 0, rubbish) };
    yield { kind: 'added-entropy', bytes: splice(jpeg, entropy(), 0, rubbish) };
  }
  for (let i = 0; i < 16 * rounds; i++) {
    const marker = [0xff, 0xc0 + dice.below(64)];
    yield { kind: 'added-marker', bytes: splice(jpeg, entropy(), 0, marker) };
    yield { kind: 'added-low-marker', bytes: splice(jpeg, entropy(), 0, [0xff, 1 + dice.below(0xbf)]) };
    yield { kind: 'added-restart', bytes: splice(jpeg, entropy(), 0, [0xff, 0xd0 + dice.below(8)]) };
  }
  for (let i = 0; i < 8 * rounds; i++) {
    const at = entropy();
    const run = Math.min(size - at, 8 + dice.below(64));
    yield { kind: 'zeroed', bytes: splice(jpeg, at, run, new Uint8Array(run)) };
    yield { kind: 'repeated', bytes: splice(jpeg, at, 0, jpeg.subarray(at, at + run)) };
    yield { kind: 'cut-then-end', bytes: splice(jpeg, at, size - at, [0xff, 0xd9]) };
    yield {
      kind: 'cut-then-rubbish',
      bytes: splice(jpeg, at, size - at, new Uint8Array(run).fill(dice.below(255))),
    };
  }
  for (const last of [0x00, 0xd8, 0xda, 0xc4, 0xd0, 0x01, 0xfe, 0xff]) {
    yield { kind: 'end-code', bytes: withByte(jpeg, size - 1, last) };
  }
  for (const slack of [1, 2, 4, 8, 64]) {
    yield { kind: 'no-end-then-zeros', bytes: splice(jpeg, size - 2, 2, new Uint8Array(slack)) };
    yield { kind: 'trailing', bytes: splice(jpeg, size, 0, new Uint8Array(slack).fill(dice.below(256))) };
  }
  yield { kind: 'twice', bytes: splice(jpeg, size, 0, jpeg) };
}

/** Damaged copies of a file of any format: cut, bits and bytes changed, runs lost, trailing rubbish. */
export function* roughCorruptions(name: string, bytes: Uint8Array, rounds = 1): Generator<Corruption> {
  const dice = new Dice(name);
  const size = bytes.length;
  for (let i = 0; i < 20; i++) yield { kind: 'cut', bytes: bytes.slice(0, Math.floor((size * i) / 20)) };
  for (const i of [1, 4, 12]) yield { kind: 'cut-end', bytes: bytes.slice(0, Math.max(0, size - i)) };
  for (let i = 0; i < 40 * rounds; i++) {
    const at = dice.below(size);
    yield { kind: 'bit', bytes: withByte(bytes, at, bytes[at]! ^ (1 << dice.below(8))) };
    yield { kind: 'byte', bytes: withByte(bytes, dice.below(size), dice.below(256)) };
  }
  for (let i = 0; i < 4 * rounds; i++) {
    yield { kind: 'lost', bytes: splice(bytes, dice.below(size - 1), 1) };
  }
  yield { kind: 'trailing', bytes: splice(bytes, size, 0, new Uint8Array(9).fill(7)) };
}

/** The sound JPEGs of assets/decode that are damaged. */
export const CORPUS_BASES: readonly string[] = [
  'c444.jpg',
  'c422-17x33.jpg',
  'c420.jpg',
  'c440.jpg',
  'c411-17x33.jpg',
  'c444-progressive.jpg',
  'c420-progressive.jpg',
  'gray.jpg',
  'gray-progressive.jpg',
  'cmyk.jpg',
  'cmyk-progressive.jpg',
  'ycck-420.jpg',
  'rgb.jpg',
  'restart.jpg',
  'restart-420.jpg',
  'restart-progressive.jpg',
  'arithmetic.jpg',
  'arithmetic-progressive.jpg',
  'icc.jpg',
  'exif-6.jpg',
  'segments.jpg',
  'ultra-hdr.jpg',
  'c420-1x1.jpg',
];
