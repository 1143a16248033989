import type { Row, RowPictures } from '@cropstream/api';
import { invalid, type ViewParams } from '@cropstream/augment';
import { type LoadedRow, loadRow } from '@cropstream/darkroom';
import {
  boxOf,
  drawSheet,
  type PreviewColumn,
  previewColumn,
  previewSheet,
  type Rgb,
} from '@cropstream/darkroom/pictures';
import { failure } from '@cropstream/errors';
import { checkWorld, locate, rankRange } from '@cropstream/schedule';
import sharp from 'sharp';
import type { RowRange } from './calls.js';
import type { Session } from './sessions.js';

/** One row of a batch, or of a preview: which draw it is, in which epoch. */
export interface RowAt {
  readonly row: number;
  readonly epoch: number;
  readonly draw: number;
}

/** The longer side of a source that goes with its row. */
const THUMBNAIL = 640;

/**
 * The rows of a range, as many as the batch has.
 *
 * @throws RANK_OUT_OF_RANGE; SPEC_INVALID for a first row that the batch does not have
 */
export function rowsOf(session: Session, { step, rank, worldSize, firstRow, rows }: RowRange): RowAt[] {
  const { plan } = session;
  checkWorld(plan, { rank, worldSize, allowUneven: true });
  const at = locate(plan, step);
  const slice = rankRange(plan, at.step, rank, worldSize);
  const samples = slice.last - slice.first;
  if (firstRow >= samples) throw invalid('row', firstRow, `a row of the batch, which has ${samples}`);
  const order = session.order(at.epoch);
  return Array.from({ length: Math.min(rows, samples - firstRow) }, (_, i) => {
    const row = firstRow + i;
    return { row, epoch: at.epoch, draw: order.at(slice.first + row) };
  });
}

/** The first samples of an epoch. */
export function firstRows(session: Session, epoch: number, images: number): RowAt[] {
  const order = session.order(epoch);
  const rows = Math.min(images, order.length);
  return Array.from({ length: rows }, (_, row) => ({ row, epoch, draw: order.at(row) }));
}

export function load(session: Session, { epoch, draw }: RowAt, signal: AbortSignal): Promise<LoadedRow> {
  const { darkroom, spec, manifest, reader } = session;
  return loadRow(darkroom, spec, { manifest, reader }, { epoch, draw }, signal);
}

/** @throws LIMIT_EXCEEDED where the views of so many rows have more pixels than one answer may show */
export function checkPixels({ spec, darkroom }: Session, rows: number, limit: number): void {
  const value =
    rows * darkroom.views.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1) / 3, 0);
  if (value <= limit) return;
  throw failure('LIMIT_EXCEEDED', {
    field: `pixels of ${rows} rows of ${spec.views.length} views`,
    value,
    limit,
  });
}

/** What the API says of a row, which stays loaded. */
export async function describeRow(
  session: Session,
  at: RowAt,
  pictures: boolean,
  signal: AbortSignal,
): Promise<Row> {
  const { darkroom, manifest } = session;
  const loaded = await load(session, at, signal);
  const { sample, source, standsFor, sampleId, draw } = loaded;
  const made = darkroom.views.map((view) => ({
    view,
    params: darkroom.sample(view, { epoch: at.epoch, sampleId: draw }),
  }));
  return {
    row: at.row,
    index: sampleId,
    path: sample.path,
    label: sample.label,
    class_name: manifest.classes[sample.label] ?? null,
    substituted: standsFor && {
      index: standsFor.originalIndex,
      ...{ path: standsFor.path, code: standsFor.code, reason: standsFor.reason },
    },
    source: { width: source.width, height: source.height },
    views: made.map(({ view, params }) => {
      const box = boxOf(params, source);
      return { name: view.name, box: box === undefined ? null : [...box], params: { ...params } };
    }),
    pictures: pictures ? await picturesOf(session, made) : null,
  };
}

async function picturesOf(
  { darkroom }: Session,
  made: readonly { readonly view: Session['darkroom']['views'][number]; readonly params: ViewParams }[],
): Promise<RowPictures> {
  const source = darkroom.source();
  const views = made.map(({ view, params }) => darkroom.print(view, params));
  const thumbnail = await imageOf(source)
    .resize(THUMBNAIL, THUMBNAIL, { fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality: 85 })
    .toBuffer();
  return {
    source: dataUrl('image/jpeg', thumbnail),
    views: await Promise.all(views.map(async (image) => dataUrl('image/png', await png(image)))),
  };
}

const dataUrl = (type: string, bytes: Buffer) => `data:${type};base64,${bytes.toString('base64')}`;

export const imageOf = ({ width, height, data }: Rgb) => sharp(data, { raw: { width, height, channels: 3 } });
export const png = (image: Rgb): Promise<Buffer> => imageOf(image).png({ compressionLevel: 3 }).toBuffer();

/** The contact sheet of some rows: a column each. */
export async function drawRows(
  session: Session,
  rows: readonly RowAt[],
  text: { readonly title: string; readonly subtitle: readonly string[] },
  signal: AbortSignal,
): Promise<Buffer> {
  const { darkroom, spec, manifest } = session;
  const columns: PreviewColumn[] = [];
  for (const at of rows) {
    const { sample, sampleId, draw } = await load(session, at, signal);
    const name = sample.path.split('/').at(-1) ?? sample.path;
    const head = [`${sampleId}: ${name}`, manifest.classes[sample.label] ?? ''];
    columns.push(previewColumn(darkroom, head, { epoch: at.epoch, sampleId: draw }));
  }
  return drawSheet(previewSheet(darkroom, spec, columns, text));
}
