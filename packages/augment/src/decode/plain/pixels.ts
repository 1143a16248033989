/** What the readers of this folder give: `gray` (1 byte a pixel) or `rgb` (3 bytes), rows contiguous. */
export interface PlainPixels {
  readonly width: number;
  readonly height: number;
  readonly model: 'gray' | 'rgb';
  readonly data: Uint8Array<ArrayBuffer>;
}

export interface PlainSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Replaces palette indices by their colours. As in Pillow, a palette that only says that index i is
 * grey i is none at all, and indices past the end of a real one are black.
 */
export function expandPalette(
  indices: Uint8Array<ArrayBuffer>,
  width: number,
  height: number,
  colors: Uint8Array,
): PlainPixels {
  if (colors.every((level, i) => level === Math.floor(i / 3))) {
    return { width, height, model: 'gray', data: indices };
  }
  const palette = new Uint8Array(768);
  palette.set(colors.subarray(0, 768));
  const data = new Uint8Array(indices.length * 3);
  for (let i = 0, to = 0; i < indices.length; i++) {
    const from = indices[i]! * 3;
    data[to++] = palette[from]!;
    data[to++] = palette[from + 1]!;
    data[to++] = palette[from + 2]!;
  }
  return { width, height, model: 'rgb', data };
}
