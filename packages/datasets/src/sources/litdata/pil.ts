import { failure } from '@cropstream/errors';
import { malformed } from '../../malformed.js';
import type { Sample } from '../../source.js';
import { viewOf } from './bytes.js';

/** Width, height and the length of the mode's name. */
const HEADER_BYTES = 12;

/** Pillow's modes whose pixels become RGB as `Image.convert('RGB')` makes them, with their bytes a pixel; `1` has bits. */
const CHANNELS = new Map([
  ['RGB', 3],
  ['L', 1],
  ['LA', 2],
  ['RGBA', 4],
  ['RGBX', 4],
  ['1', 1 / 8],
]);

/**
 * The pixels of an image as LitData's `pil` stores it: size, mode, and what Pillow's `tobytes` gives.
 *
 * @param name of the sample, for messages
 * @throws DATASET_MALFORMED where the bytes are not of that size
 * @throws SAMPLE_UNSUPPORTED for a mode that is not read
 */
export function pilPixels(value: Uint8Array, name: string): NonNullable<Sample['pixels']> {
  if (value.length < HEADER_BYTES) throw malformed(name, `its image has ${value.length} bytes`);
  const view = viewOf(value);
  const width = view.getUint32(0, true);
  const height = view.getUint32(4, true);
  const modeEnd = HEADER_BYTES + view.getUint32(8, true);
  const mode = Buffer.from(value.subarray(HEADER_BYTES, Math.min(modeEnd, HEADER_BYTES + 16))).toString(
    'latin1',
  );
  const channels = CHANNELS.get(mode);
  if (channels === undefined) {
    throw failure('SAMPLE_UNSUPPORTED', {
      path: name,
      format: `an image in Pillow's mode ${JSON.stringify(mode)}`,
      fix: "Convert it before it is stored: `image.convert('RGB')`.",
    });
  }
  const raw = value.subarray(modeEnd);
  const bytes = Math.ceil(width * channels) * height;
  if (raw.length !== bytes || bytes === 0) {
    throw malformed(
      name,
      `its image of ${width} x ${height} in mode ${mode} has ${raw.length} bytes instead of ${bytes}`,
    );
  }
  return { width, height, data: rgb(raw, mode, width, height) };
}

function rgb(raw: Uint8Array, mode: string, width: number, height: number): Uint8Array<ArrayBuffer> {
  if (mode === 'RGB') return new Uint8Array(raw);
  const data = new Uint8Array(3 * width * height);
  if (mode === '1') {
    const stride = Math.ceil(width / 8);
    for (let y = 0, to = 0; y < height; y++) {
      for (let x = 0; x < width; x++, to += 3) {
        const isSet = ((raw[y * stride + (x >> 3)] as number) & (0x80 >> (x & 7))) !== 0;
        data.fill(isSet ? 255 : 0, to, to + 3);
      }
    }
    return data;
  }
  // Pillow drops alpha, it does not blend.
  const channels = CHANNELS.get(mode) as number;
  const isGray = channels < 3;
  for (let from = 0, to = 0; to < data.length; from += channels, to += 3) {
    data[to] = raw[from] as number;
    data[to + 1] = raw[isGray ? from : from + 1] as number;
    data[to + 2] = raw[isGray ? from : from + 2] as number;
  }
  return data;
}
