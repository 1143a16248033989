import { ifdInteger, readIfd } from '../exif.js';

const NUMBER_OF_IMAGES = 0xb001;
const ENTRIES = 0xb002;
const ENTRY_BYTES = 16;
const TYPE_BYTE = 1;
const TYPE_UNDEFINED = 7;

/**
 * Whether a multi-picture index (CIPA DC-007; `data` follows "MPF\0" in APP2) names more pictures
 * than it has entries for. Pillow then takes the file for no image at all; every other damage to
 * the index only makes it read the first picture as an ordinary JPEG.
 */
export function lacksEntries(data: Uint8Array): boolean {
  const ifd = readIfd(data);
  const count = ifd === null ? undefined : ifdInteger(ifd, NUMBER_OF_IMAGES);
  const entries = ifd?.entries.get(ENTRIES);
  if (ifd === null || count === undefined || entries === undefined) return false;
  if (entries.type !== TYPE_BYTE && entries.type !== TYPE_UNDEFINED) return false;
  for (let i = 0; i < count; i++) {
    if ((i + 1) * ENTRY_BYTES > entries.count) return true;
    const attributes = ifd.view.getUint32(entries.valueAt + i * ENTRY_BYTES, ifd.littleEndian);
    const isJpeg = ((attributes >>> 24) & 7) === 0;
    if (!isJpeg) return false; // Pillow gives the index up here
  }
  return false;
}
