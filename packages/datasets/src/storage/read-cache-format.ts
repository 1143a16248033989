import { crc32 } from 'node:zlib';

/**
 * A file of the cache is a piece of a read, then: a magic number (8 bytes), the bytes of the whole read (float64, little
 * endian), the hash of what was read (32 bytes), and the CRC-32 of all that stands before it.
 */
export const FOOTER_BYTES = 52;

const MAGIC = Buffer.from('CSread01', 'latin1');

export function footerOf(piece: Uint8Array, hash: Uint8Array, total: number): Buffer {
  const footer = Buffer.alloc(FOOTER_BYTES);
  MAGIC.copy(footer);
  footer.writeDoubleLE(total, 8);
  footer.set(hash, 16);
  footer.writeUInt32LE(crc32(footer.subarray(0, 48), crc32(piece)), 48);
  return footer;
}

/** How many bytes the whole read had; null where the content is damaged, or is not of the read with this hash. */
export function totalOf(content: Uint8Array, hash: Uint8Array): number | null {
  if (content.length < FOOTER_BYTES) return null;
  const footer = Buffer.from(
    content.buffer,
    content.byteOffset + content.length - FOOTER_BYTES,
    FOOTER_BYTES,
  );
  const sound =
    footer.subarray(0, 8).equals(MAGIC) &&
    footer.subarray(16, 48).equals(hash) &&
    footer.readUInt32LE(48) === crc32(content.subarray(0, -4));
  return sound ? footer.readDoubleLE(8) : null;
}
