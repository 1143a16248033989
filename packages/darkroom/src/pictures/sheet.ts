import sharp from 'sharp';
import { escapeXml, fitText, rasterise, text, textWidth } from './svg.js';

/** An image as packed RGB, 3 bytes a pixel. */
export interface Rgb {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A crop box on a source image, in its pixels. */
export interface Outline {
  readonly box: readonly [x: number, y: number, width: number, height: number];
  readonly colour: string;
}

export interface Cell {
  readonly image: Rgb;
  readonly outlines?: readonly Outline[];
  /** A line below the image. */
  readonly caption?: string;
}

export interface SheetRow {
  readonly label: string;
  /** Lines below the label. */
  readonly details?: readonly string[];
  /** Of the mark beside the label, and of the boxes that it explains. */
  readonly colour?: string;
  /** Pixels drawn for each pixel of the image; `fit` brings every image into one column's square. */
  readonly zoom: number | 'fit';
  readonly cells: readonly (Cell | undefined)[];
}

export interface Sheet {
  readonly title: string;
  readonly subtitle: readonly string[];
  /** Heads of the columns, up to two lines each. */
  readonly columns: readonly (readonly string[])[];
  /** Width of a column in pixels. */
  readonly columnWidth: number;
  readonly rows: readonly SheetRow[];
}

/** What a picture calls a run: its own name if it was given one. */
export const runTitle = ({
  name,
  recipe,
}: {
  readonly name: string;
  readonly recipe: string | null;
}): string => (name === 'default' ? (recipe ?? name) : name);

const MARGIN = 24;
const GAP = 10;
const CAPTION = 17;
const HEAD_LINE = 16;
const PAPER = '#ffffff';
const INK = '#1b1f24';
const FAINT = '#656d76';

/** Colours that stay apart from each other, from photographs and under the usual colour blindnesses. */
export const VIEW_COLOURS: readonly string[] = [
  '#0969da',
  '#d1242f',
  '#1a7f37',
  '#bf8700',
  '#8250df',
  '#e16f24',
  '#0a7e8c',
  '#c2338b',
  '#57606a',
  '#6e7f00',
  '#4051b5',
  '#8a4b2a',
];

export const viewColour = (index: number): string => VIEW_COLOURS[index % VIEW_COLOURS.length] ?? INK;

/** The size at which a cell's image is drawn. */
function drawnSize(row: SheetRow, cell: Cell, columnWidth: number): { width: number; height: number } {
  const { width, height } = cell.image;
  const zoom = row.zoom === 'fit' ? Math.min(columnWidth / width, columnWidth / height) : row.zoom;
  return { width: Math.max(1, Math.round(width * zoom)), height: Math.max(1, Math.round(height * zoom)) };
}

async function drawCell(cell: Cell, size: { width: number; height: number }): Promise<Buffer> {
  const { image } = cell;
  const enlarged = size.width > image.width;
  const drawn = sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } });
  // Pixels that are enlarged stay pixels to look at.
  const sized = drawn.resize(size.width, size.height, {
    fit: 'fill',
    kernel: enlarged ? 'nearest' : 'lanczos3',
  });
  return sized.png({ compressionLevel: 1 }).toBuffer();
}

function drawOutlines(cell: Cell, left: number, top: number, zoom: number): string {
  return (cell.outlines ?? [])
    .map(({ box: [x, y, width, height], colour }) => {
      const at = `x="${left + x * zoom + 1}" y="${top + y * zoom + 1}" width="${Math.max(1, width * zoom - 2)}" height="${Math.max(1, height * zoom - 2)}" fill="none"`;
      return `<rect ${at} stroke="#fff" stroke-opacity=".75" stroke-width="3.5"/><rect ${at} stroke="${colour}" stroke-width="1.8"/>`;
    })
    .join('');
}

/** A grid of images with labels, on white, as a PNG. */
export async function drawSheet(sheet: Sheet): Promise<Buffer> {
  const labelStyle = { size: 13, bold: true };
  const labelWidth = Math.max(
    60,
    ...sheet.rows.flatMap((row) => [
      textWidth(row.label, labelStyle) + 18,
      ...(row.details ?? []).map((detail) => textWidth(detail, { size: 11 }) + 18),
    ]),
  );
  const columns = sheet.columns.length;
  const width = Math.max(
    MARGIN * 2 + labelWidth + columns * (sheet.columnWidth + GAP) - GAP,
    MARGIN * 2 + textWidth(sheet.title, { size: 20, bold: true }),
    ...sheet.subtitle.map((line) => MARGIN * 2 + textWidth(line, { size: 12 })),
  );
  const columnLeft = (column: number) => MARGIN + labelWidth + column * (sheet.columnWidth + GAP);

  const svg: string[] = [text(MARGIN, MARGIN + 18, sheet.title, { size: 20, bold: true, colour: INK })];
  let y = MARGIN + 28;
  for (const line of sheet.subtitle) {
    y += 17;
    svg.push(text(MARGIN, y, line, { size: 12, colour: FAINT }));
  }
  y += 14;
  const headLines = Math.max(0, ...sheet.columns.map((lines) => lines.length));
  sheet.columns.forEach((lines, column) => {
    lines.forEach((line, i) => {
      const style = { size: 11, bold: i === 0 };
      const at = columnLeft(column) + sheet.columnWidth / 2;
      const colour = i === 0 ? INK : FAINT;
      const baseline = y + (i + 1) * HEAD_LINE - 4;
      svg.push(
        text(at, baseline, fitText(line, sheet.columnWidth, style), { ...style, colour, anchor: 'middle' }),
      );
    });
  });
  y += headLines * HEAD_LINE + 6;

  const layers: { input: Buffer; left: number; top: number }[] = [];
  for (const row of sheet.rows) {
    const present = row.cells.filter((cell) => cell !== undefined);
    const sizes = present.map((cell) => drawnSize(row, cell, sheet.columnWidth));
    const detailHeight = 16 + (row.details?.length ?? 0) * 15;
    const height = Math.max(detailHeight, ...sizes.map((size) => size.height));
    const captions = present.some((cell) => cell.caption !== undefined);
    if (row.colour !== undefined) {
      svg.push(
        `<rect x="${MARGIN}" y="${y + 2}" width="10" height="10" rx="2" fill="${escapeXml(row.colour)}"/>`,
      );
    }
    const indent = row.colour === undefined ? 0 : 16;
    svg.push(text(MARGIN + indent, y + 12, row.label, { ...labelStyle, colour: INK }));
    (row.details ?? []).forEach((detail, i) => {
      svg.push(text(MARGIN + indent, y + 28 + i * 15, detail, { size: 11, colour: FAINT }));
    });
    for (const [column, cell] of row.cells.entries()) {
      if (cell === undefined) continue;
      const size = drawnSize(row, cell, sheet.columnWidth);
      const left = Math.round(columnLeft(column) + (sheet.columnWidth - size.width) / 2);
      const top = Math.round(y + (height - size.height) / 2);
      layers.push({ input: await drawCell(cell, size), left, top });
      // A hairline, so that white edges of an image end somewhere.
      svg.push(
        `<rect x="${left - 0.5}" y="${top - 0.5}" width="${size.width + 1}" height="${size.height + 1}" fill="none" stroke="#d0d7de"/>`,
      );
      svg.push(drawOutlines(cell, left, top, size.width / cell.image.width));
      if (cell.caption !== undefined) {
        const at = columnLeft(column) + sheet.columnWidth / 2;
        const caption = fitText(cell.caption, sheet.columnWidth + GAP - 4, { size: 10.5 });
        svg.push(text(at, y + height + 13, caption, { size: 10.5, colour: FAINT, anchor: 'middle' }));
      }
    }
    y += height + (captions ? CAPTION : 0) + GAP;
  }
  const height = Math.ceil(y - GAP + MARGIN);
  const overlay = rasterise(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.ceil(width)}" height="${height}">${svg.join('')}</svg>`,
  );
  return sharp({ create: { width: overlay.width, height: overlay.height, channels: 3, background: PAPER } })
    .composite([...layers, { input: overlay.png, left: 0, top: 0 }])
    .png()
    .toBuffer();
}
