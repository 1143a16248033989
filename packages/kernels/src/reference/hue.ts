import type { Pixels } from '../types.js';

type Triple = readonly [number, number, number];
const f = Math.fround;

/** Pillow's `rgb2hsv_row` (src/libImaging/Convert.c), one pixel. */
export function rgbToHsv(r: number, g: number, b: number): Triple {
  const high = Math.max(r, g, b);
  const low = Math.min(r, g, b);
  if (high === low) return [0, 0, high];
  const chroma = high - low;
  const s = f(chroma / high);
  const rc = f((high - r) / chroma);
  const gc = f((high - g) / chroma);
  const bc = f((high - b) / chroma);
  let h: number;
  if (r === high) h = f(bc - gc);
  else if (g === high) h = f(2 + rc - bc);
  else h = f(4 + gc - rc);
  h = f((h / 6 + 1) % 1);
  return [Math.trunc(h * 255), Math.trunc(s * 255), high];
}

/** Pillow's `hsv2rgb_row`, one pixel. */
export function hsvToRgb(h: number, s: number, v: number): Triple {
  if (s === 0) return [v, v, v];
  const i = Math.floor((h * 6) / 255);
  const rest = f((h * 6) / 255 - i);
  const fs = f(s / 255);
  const round = (value: number) => Math.min(255, Math.max(0, Math.floor(value + 0.5)));
  const p = round(v * (1 - fs));
  const q = round(v * (1 - f(fs * rest)));
  const t = round(v * (1 - fs * (1 - rest)));
  const sextants: readonly Triple[] = [
    [v, t, p],
    [q, v, p],
    [p, v, t],
    [p, q, v],
    [t, p, v],
    [v, p, q],
  ];
  return sextants[i % 6]!;
}

/** What torchvision adds to Pillow's 8-bit hue for a factor, as a number of [0, 256). */
export function hueShift(factor: number): number {
  return Math.trunc(factor * 255) & 255;
}

/** torchvision's `adjust_hue` on a PIL image; never the identity, for its way through HSV loses up to 6 levels. */
export function hue(image: Pixels, factor: number): Pixels {
  const shift = hueShift(factor);
  const data = new Uint8Array(image.data.length);
  for (let i = 0; i < data.length; i += 3) {
    const [h, s, v] = rgbToHsv(image.data[i]!, image.data[i + 1]!, image.data[i + 2]!);
    data.set(hsvToRgb((h + shift) & 255, s, v), i);
  }
  return { ...image, data };
}
