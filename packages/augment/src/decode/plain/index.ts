// Formats that are simple enough to be read exactly in TypeScript, on any thread, where sharp
// cannot read them (BMP, Netpbm) or loses what Pillow keeps (GIF: colours of transparent pixels).
// No I/O, no limits (the caller has checked them against the header), no orientation.
import type { ImageFormat } from '../types.js';
import { decodeBmp } from './bmp.js';
import { decodeGif } from './gif.js';
import { decodeNetpbm } from './netpbm.js';
import type { PlainPixels } from './pixels.js';

export const PLAIN_READERS: Partial<Record<ImageFormat, (bytes: Uint8Array, path: string) => PlainPixels>> = {
  bmp: decodeBmp,
  gif: decodeGif,
  ppm: decodeNetpbm,
};
export { readBmpHeader } from './bmp.js';
export { readGifHeader } from './gif.js';
export { readNetpbmHeader } from './netpbm.js';
export type { PlainPixels } from './pixels.js';
