import * as zlib from 'node:zlib';
import { nativeCrc32 } from './native.js';

/** CRC-32 as zlib has it, of bytes that may lie in a SharedArrayBuffer, behind those whose checksum is `before`: uint32. */
export const crc32: (bytes: Uint8Array, before?: number) => number = nativeCrc32() ?? zlib.crc32;

/** Of polynomials over GF(2) modulo CRC-32's, reflected as its checksums are: bit 31 is x^0. */
const POLYNOMIAL = 0xedb88320;
const ONE = 0x80000000;
const X = 0x40000000;

function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= b;
    b = (b & 1) === 1 ? (b >>> 1) ^ POLYNOMIAL : b >>> 1;
  }
  return product;
}

/** x to the power of 8 `bytes`, by squaring. */
function shiftOf(bytes: number): number {
  let power = ONE;
  let square = X;
  for (let i = 0; i < 3; i++) square = multiply(square, square);
  for (let left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}

/**
 * Joins checksums: that of A B is the rest of A(x) x^8n, n being B's bytes, and of B(x). Blocks are of few lengths, so
 * what a length shifts by is kept.
 */
export class JoinedCrc32 {
  readonly #shifts = new Map<number, number>();
  #value = 0;

  /** Of what was appended so far: uint32. */
  get value(): number {
    return this.#value >>> 0;
  }

  /** @param bytes that `crc` is the checksum of */
  append(crc: number, bytes: number): void {
    let shift = this.#shifts.get(bytes);
    if (shift === undefined) {
      shift = shiftOf(bytes);
      this.#shifts.set(bytes, shift);
    }
    this.#value = multiply(shift, this.#value) ^ crc;
  }
}
