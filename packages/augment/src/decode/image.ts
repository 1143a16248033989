import { undecodable, unsupported } from './failures.js';
import { readPngHeader, readTiffHeader, readWebpHeader } from './headers.js';
import { readJpegHeader } from './jpeg/header.js';
import { readBmpHeader, readGifHeader, readNetpbmHeader } from './plain/index.js';
import { sniff } from './sniff.js';
import type { ImageFormat, ImageHeader } from './types.js';

/** The format of bytes that can be decoded; every other kind throws, each with its own fix. */
export function formatOf(bytes: Uint8Array, path: string): ImageFormat {
  const sniffed = sniff(bytes);
  switch (sniffed.kind) {
    case 'supported':
      return sniffed.format;
    case 'unsupported':
      throw unsupported(path, sniffed.format, sniffed.fix);
    case 'empty':
      throw undecodable(path, 'the file is empty (0 bytes)');
    case 'unknown': {
      const first = Buffer.from(bytes.subarray(0, 8))
        .toString('hex')
        .replaceAll(/(..)(?=.)/g, '$1 ');
      throw undecodable(path, `not an image of a known kind (its first bytes are ${first})`);
    }
  }
}

/**
 * Reads an image's size and orientation from its header, without decoding.
 * @throws SAMPLE_UNDECODABLE or SAMPLE_UNSUPPORTED, as decoding would
 */
export function readHeader(bytes: Uint8Array, path = 'image'): ImageHeader {
  const format = formatOf(bytes, path);
  const { width, height, orientation } = readAs(format, bytes, path);
  return { format, width, height, orientation };
}

function readAs(format: ImageFormat, bytes: Uint8Array, path: string): Omit<ImageHeader, 'format'> {
  switch (format) {
    case 'jpeg':
      return readJpegHeader(bytes, path);
    case 'png':
      return readPngHeader(bytes, path);
    case 'webp':
      return readWebpHeader(bytes, path);
    case 'tiff':
      return readTiffHeader(bytes, path);
    case 'gif':
      return { ...readGifHeader(bytes, path), orientation: 1 };
    case 'bmp':
      return { ...readBmpHeader(bytes, path), orientation: 1 };
    case 'ppm':
      return { ...readNetpbmHeader(bytes, path), orientation: 1 };
  }
}
