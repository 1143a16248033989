import * as zlib from 'node:zlib';
import { nativeCrc32 } from './native.js';

/** CRC-32 as zlib has it, of bytes that may lie in a SharedArrayBuffer, behind those whose checksum is `before`: uint32. */
export const crc32: (bytes: Uint8Array, before?: number) => number = nativeCrc32() ?? zlib.crc32;
