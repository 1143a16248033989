import { type JpegHeader, PILLOW_BLOCK } from './header.js';

// jdhuff.h and jdhuff.c of libjpeg-turbo with 64-bit buffers: how many bits a look-up takes at once,
// below how many a refill stops, and how much input lets a unit be decoded by the unchecked path.
const LOOKAHEAD = 8;
const REFILLED = 57;
const FAST_REFILL_AT = 16;
const FAST_REFILL_BYTES = 6;
const FAST_INPUT = 512;

/** A Huffman table for walking: code lengths and symbols, by T.81, annex C. */
class HuffmanTable {
  /** By the next 8 bits: length << 8 | symbol, or 0 for a longer code. */
  private readonly short = new Uint16Array(256);
  private readonly maxCode = new Int32Array(18).fill(-1);
  private readonly offset = new Int32Array(18);

  constructor(
    counts: Uint8Array,
    private readonly symbols: Uint8Array,
  ) {
    let code = 0;
    let index = 0;
    for (let length = 1; length <= 16; length++) {
      const count = counts[length - 1]!;
      this.offset[length] = index - code;
      for (let i = 0; i < count; i++, code++, index++) {
        if (length > LOOKAHEAD) continue;
        const first = code << (LOOKAHEAD - length);
        const entry = (length << 8) | symbols[index]!;
        this.short.fill(entry, first, first + (1 << (LOOKAHEAD - length)));
      }
      if (count > 0) this.maxCode[length] = code - 1;
      code <<= 1;
    }
  }

  /** A whole code's symbol from the bits ahead; codes of over 8 bits ask for one bit at a time. */
  read(bits: BitReader): number {
    const entry = bits.look() ? this.short[bits.peek(LOOKAHEAD)]! : 0;
    if (entry !== 0) {
      bits.drop(entry >> 8);
      return entry & 0xff;
    }
    return this.readLong(bits, bits.looked ? LOOKAHEAD + 1 : 1);
  }

  private readLong(bits: BitReader, from: number): number {
    let length = from;
    bits.need(length);
    let code = bits.take(length);
    while (length <= 16 && code > this.maxCode[length]!) {
      bits.need(1);
      code = (code << 1) | bits.take(1);
      length++;
    }
    // A code that is in no table reads as 0, with a warning.
    return length > 16 ? 0 : (this.symbols[code + this.offset[length]!] ?? 0);
  }
}

/** The input is at its end; libjpeg would ask for more. */
const STARVED = Symbol('starved');

/**
 * libjpeg-turbo's bit buffer over the input that Pillow has given it so far: what matters is not the
 * bits but when a refill asks for bytes that are not there.
 */
class BitReader {
  private at: number;
  private left = 0;
  /** The last bytes read, enough for `left` bits; kept as an array of bits in two numbers. */
  private high = 0;
  private low = 0;
  fast = false;
  looked = false;

  constructor(
    private readonly bytes: Uint8Array,
    start: number,
    public end: number,
  ) {
    this.at = start;
  }

  get position(): number {
    return this.at;
  }

  save(): readonly [number, number, number, number] {
    return [this.at, this.left, this.high, this.low];
  }

  restore([at, left, high, low]: readonly [number, number, number, number]): void {
    this.at = at;
    this.left = left;
    this.high = high;
    this.low = low;
  }

  private push(): void {
    if (this.at >= this.end) throw STARVED;
    const byte = this.bytes[this.at++]!;
    if (byte === 0xff) {
      // There is no marker ahead (the caller knows), so what follows any fill bytes is a stuffed 0.
      for (;;) {
        if (this.at >= this.end) throw STARVED;
        if (this.bytes[this.at++] !== 0xff) break;
      }
    }
    this.high = ((this.high << 8) | (this.low >>> 24)) >>> 0;
    this.low = ((this.low << 8) | byte) >>> 0;
    this.left += 8;
  }

  /** Before a look-up; in the checked path it refills below 8 bits, else at 16. */
  look(): boolean {
    if (this.fast) this.need(0);
    else if (this.left < LOOKAHEAD) while (this.left < REFILLED) this.push();
    this.looked = this.left >= LOOKAHEAD;
    return this.looked;
  }

  need(count: number): void {
    if (this.fast) {
      if (this.left <= FAST_REFILL_AT) for (let i = 0; i < FAST_REFILL_BYTES; i++) this.push();
    } else if (this.left < count) while (this.left < REFILLED) this.push();
  }

  peek(count: number): number {
    const shift = this.left - count;
    const value =
      shift >= 32
        ? this.high >>> (shift - 32)
        : shift === 0
          ? this.low
          : (this.low >>> shift) | (this.high << (32 - shift));
    return value & ((1 << count) - 1);
  }

  drop(count: number): void {
    this.left -= count;
  }

  take(count: number): number {
    const value = this.peek(count);
    this.left -= count;
    return value;
  }
}

/** What of a scan is still to be walked. */
export interface LastInterval {
  /** Offset of its first byte of entropy-coded data, behind which the file has no marker. */
  readonly start: number;
  /** Coded units from there to the scan's end. */
  readonly units: number;
  /** The scan's components: blocks in a unit, and the numbers of their DC and AC tables. */
  readonly components: readonly { readonly blocks: number; readonly dc: number; readonly ac: number }[];
}

/**
 * For a file of one scan that ends without a marker: are all its pixels there, as Pillow sees it?
 * Pillow's libjpeg takes input in blocks and stops where a refill of its bit buffer (up to 8 bytes
 * ahead) meets the end of the file; the last unit may be complete and yet be out of reach. So this
 * walks the Huffman codes and counts refills as jdhuff.c does. Files like this are rare (a lost end
 * marker, padding in its place), so its speed does not matter.
 */
export function pixelsAreComplete(bytes: Uint8Array, header: JpegHeader, last: LastInterval): boolean {
  const tables = readTables(header.huffmanData);
  if (tables === undefined) return false;
  const blocks: { dc: HuffmanTable; ac: HuffmanTable }[] = [];
  for (const component of last.components) {
    const dc = tables.get(component.dc);
    const ac = tables.get(0x10 | component.ac);
    if (dc === undefined || ac === undefined) return false;
    for (let i = 0; i < component.blocks; i++) blocks.push({ dc, ac });
  }
  const end = Math.min(bytes.length, Math.ceil((last.start + 1) / PILLOW_BLOCK) * PILLOW_BLOCK);
  const bits = new BitReader(bytes, last.start, end);
  for (let unit = 0; unit < last.units; ) {
    const before = bits.save();
    try {
      bits.fast = bits.end - bits.position >= FAST_INPUT * blocks.length;
      for (const { dc, ac } of blocks) skipBlock(bits, dc, ac);
      unit++;
    } catch (starved) {
      if (starved !== STARVED) throw starved;
      if (bits.end === bytes.length) return false;
      bits.restore(before);
      bits.end = Math.min(bytes.length, bits.end + PILLOW_BLOCK);
    }
  }
  return true;
}

function skipBlock(bits: BitReader, dc: HuffmanTable, ac: HuffmanTable): void {
  const size = dc.read(bits);
  if (size > 0) {
    bits.need(size);
    bits.drop(size);
  }
  for (let k = 1; k < 64; k++) {
    const symbol = ac.read(bits);
    const length = symbol & 15;
    if (length > 0) {
      k += symbol >> 4;
      bits.need(length);
      bits.drop(length);
    } else if (symbol >> 4 === 15) k += 15;
    else break;
  }
}

/** Tables by their numbers (AC ones have bit 4 set); `undefined` where a segment is damaged. */
function readTables(segments: readonly Uint8Array[]): Map<number, HuffmanTable> | undefined {
  const tables = new Map<number, HuffmanTable>();
  for (const segment of segments) {
    for (let at = 0; at < segment.length; ) {
      const counts = segment.subarray(at + 1, at + 17);
      const total = counts.reduce((sum, count) => sum + count, 0);
      if (counts.length < 16 || total > 256 || at + 17 + total > segment.length) return undefined;
      tables.set(segment[at]!, new HuffmanTable(counts, segment.subarray(at + 17, at + 17 + total)));
      at += 17 + total;
    }
  }
  return tables;
}
