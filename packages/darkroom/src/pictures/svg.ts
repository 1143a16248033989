import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Resvg } from '@resvg/resvg-js';
import { drawableWith } from './glyphs.js';

// A bare machine has no fonts, and a machine's own would change the picture: ours travel with the package.
const FONT_FOLDER = join(
  dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')),
  'ttf',
);
const FONT_FILES = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf', 'DejaVuSansMono.ttf', 'DejaVuSerif-Bold.ttf'];

export const FONT = 'DejaVu Sans';

/** A text as our fonts draw it: they have no glyphs for Chinese, Japanese or Korean. */
export const drawable = drawableWith(
  ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((file) => join(FONT_FOLDER, file)),
);

export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly png: Buffer;
}

/** Draws an SVG with the fonts above and no others. `zoom` multiplies its size. */
export function rasterise(svg: string, options: { zoom?: number; background?: string } = {}): Drawing {
  const image = new Resvg(svg, {
    font: {
      loadSystemFonts: false,
      fontFiles: FONT_FILES.map((file) => join(FONT_FOLDER, file)),
      defaultFontFamily: FONT,
      sansSerifFamily: FONT,
      monospaceFamily: 'DejaVu Sans Mono',
      serifFamily: 'DejaVu Serif',
    },
    fitTo: { mode: 'zoom', value: options.zoom ?? 1 },
    ...(options.background === undefined ? {} : { background: options.background }),
  }).render();
  return { width: image.width, height: image.height, png: image.asPng() };
}

export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

export interface TextStyle {
  readonly size: number;
  readonly colour?: string;
  readonly bold?: boolean;
  readonly anchor?: 'start' | 'middle' | 'end';
}

/** A line of text at its baseline. */
export function text(x: number, y: number, content: string, style: TextStyle): string {
  const { size, colour = '#222', bold = false, anchor = 'start' } = style;
  const weight = bold ? ' font-weight="bold"' : '';
  return `<text x="${x}" y="${y}" font-family="${FONT}" font-size="${size}" fill="${colour}" text-anchor="${anchor}"${weight}>${escapeXml(drawable(content))}</text>`;
}

/** Width in pixels, on the safe side: DejaVu Sans averages 0.6 em a character, bold 0.67. */
export function textWidth(content: string, style: { size: number; bold?: boolean }): number {
  return Math.ceil(drawable(content).length * style.size * (style.bold ? 0.68 : 0.61));
}

/** The text cut to a width, its middle left out: file names differ at both ends. */
export function fitText(content: string, width: number, style: { size: number; bold?: boolean }): string {
  if (textWidth(content, style) <= width) return content;
  const shown = drawable(content);
  const room = Math.max(3, Math.floor(width / (style.size * (style.bold ? 0.68 : 0.61))) - 1);
  const head = Math.ceil(room / 2);
  return `${shown.slice(0, head)}…${shown.slice(shown.length - (room - head))}`;
}
