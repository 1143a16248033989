import { setPriority } from 'node:os';
import type { CropGroup, Statistics } from '@cropstream/api';
import { invalid } from '@cropstream/augment';
import { StreamDigest } from '@cropstream/client';
import { runTitle } from '@cropstream/darkroom/pictures';
import { encodeNpz, replayBatch } from '@cropstream/darkroom/replay';
import {
  type CropStatistics,
  drawBoxes,
  expectedDensities,
  type Histogram,
} from '@cropstream/darkroom/statistics';
import { failure } from '@cropstream/errors';
import { openPeer, processPort } from '@cropstream/runtime/threads';
import { checkWorld, locate, rankRange } from '@cropstream/schedule';
import sharp from 'sharp';
import type { RowRange, StudioCalls, StudioNeeds, StudioRun, StudioSettings } from './calls.js';
import { checkPixels, describeRow, drawRows, firstRows, imageOf, load, png, rowsOf } from './rows.js';
import { type Session, Sessions } from './sessions.js';

/** The process that a Studio starts: one request at a time, and nothing but answers to it. */

/** What is sent of a batch at once. */
const PIECE_BYTES = 1 << 20;
/** Below the services: a look at a batch is to slow nobody's training down. */
const PRIORITY = 5;

const settings = JSON.parse(process.argv[2] ?? '{}') as StudioSettings;
// Whoever asked has a deadline, and ends this process where it has passed.
const { signal } = new AbortController();
let pieces: Iterator<Uint8Array> | null = null;

const calls: StudioCalls = {
  async rows(run, range, pictures) {
    const session = await (await sessions).ofRun(run);
    const rows = rowsOf(session, range);
    if (pictures) checkPixels(session, rows.length, settings.maxPixels);
    const described = [];
    for (const at of rows) described.push(await describeRow(session, at, pictures, signal));
    return described;
  },
  async sheet(run, range) {
    const session = await (await sessions).ofRun(run);
    const rows = rowsOf(session, range);
    checkPixels(session, rows.length, settings.maxPixels);
    const { spec, plan } = session;
    const { epoch, step } = locate(plan, range.step);
    const title = `${runTitle(spec)}: step ${range.step}`;
    const subtitle = [
      `seed ${spec.seed}, epoch ${epoch}, step ${step} in it, rank ${range.rank} of ${range.worldSize}; a column's views come from one decoding`,
    ];
    return drawRows(session, rows, { title, subtitle }, signal);
  },
  async source(run, range, format) {
    const { darkroom } = await oneRow(run, range);
    const image = imageOf(darkroom.source());
    return format === 'png'
      ? image.png({ compressionLevel: 3 }).toBuffer()
      : image.jpeg({ quality: 90 }).toBuffer();
  },
  async view(run, range, name) {
    const { darkroom, epoch, draw } = await oneRow(run, range);
    const view = darkroom.views.find((candidate) => candidate.name === name);
    if (view === undefined) {
      throw invalid('view', name, `one of ${darkroom.views.map((each) => each.name).join(', ')}`);
    }
    return png(darkroom.develop(view, { epoch, sampleId: draw }).image);
  },
  async batch(run, { step, rank, worldSize }) {
    const session = await (await sessions).ofRun(run);
    checkBatch(session, { step, rank, worldSize });
    const batch = await replayBatch(await session.replayed(), step, { rank, worldSize }, signal);
    const digest = new StreamDigest();
    digest.update(batch);
    const parts = encodeNpz(batch);
    pieces = inPieces(parts);
    return { digest: digest.hex(), bytes: parts.reduce((sum, { byteLength }) => sum + byteLength, 0) };
  },
  async batchPiece() {
    const next = pieces?.next();
    if (next !== undefined && next.done !== true) return next.value;
    pieces = null;
    return null;
  },
  async statistics(run, samples) {
    const { spec, registry, manifest, reader } = await (await sessions).ofRun(run);
    const drawn = await drawBoxes({ spec, registry, dataset: { manifest, reader }, images: samples, signal });
    return statisticsOf(drawn.statistics, drawn);
  },
  async samples(manifestDigest, first, most) {
    const manifest = await (await sessions).manifest(manifestDigest);
    const count = Math.max(0, Math.min(most, manifest.length - first));
    return Array.from({ length: count }, (_, i) => ({ index: first + i, path: manifest.pathOf(first + i) }));
  },
  async preview(spec, pictures) {
    const session = await (await sessions).ofSpec(spec);
    const rows = firstRows(session, spec.epoch, spec.images);
    if (pictures) checkPixels(session, rows.length, settings.maxPixels);
    const described = [];
    for (const at of rows) described.push(await describeRow(session, at, pictures, signal));
    return {
      spec: { ...session.spec },
      samples: session.manifest.length,
      views: session.darkroom.views.map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] })),
      rows: described,
      notices: [...session.notices],
    };
  },
  async previewSheet(spec) {
    const session = await (await sessions).ofSpec(spec);
    const rows = firstRows(session, spec.epoch, spec.images);
    checkPixels(session, rows.length, settings.maxPixels);
    const title = `${runTitle(session.spec)}: what a trainer gets`;
    const subtitle = [`seed ${session.spec.seed}, epoch ${spec.epoch}; ${session.manifest.length} samples`];
    return drawRows(session, rows, { title, subtitle }, signal);
  },
};

async function oneRow(run: StudioRun, range: RowRange) {
  const session = await (await sessions).ofRun(run);
  const [at] = rowsOf(session, range);
  if (at === undefined) throw invalid('row', range.firstRow, 'a row of the batch');
  const { draw } = await load(session, at, signal);
  return { darkroom: session.darkroom, epoch: at.epoch, draw };
}

/** @throws RANK_OUT_OF_RANGE, LIMIT_EXCEEDED */
function checkBatch(
  { plan, darkroom }: Session,
  { step, rank, worldSize }: { readonly step: number; readonly rank: number; readonly worldSize: number },
): void {
  checkWorld(plan, { rank, worldSize, allowUneven: true });
  const slice = rankRange(plan, locate(plan, step).step, rank, worldSize);
  const value =
    (slice.last - slice.first) * darkroom.views.reduce((sum, { bytesPerSample }) => sum + bytesPerSample, 0);
  const limit = settings.maxBatchBytes;
  if (value > limit) throw failure('LIMIT_EXCEEDED', { field: 'bytes of the replayed batch', value, limit });
}

function* inPieces(parts: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const part of parts) {
    for (let at = 0; at < part.byteLength; at += PIECE_BYTES) yield part.subarray(at, at + PIECE_BYTES);
  }
}

function statisticsOf(
  { groups, rates, sizes }: CropStatistics,
  { drawn, bad }: { readonly drawn: number; readonly bad: number },
): Statistics {
  return {
    samples: drawn,
    bad,
    groups: groups.map(({ views, scale, ratio, observed }): CropGroup => {
      if (scale === null || ratio === null || observed === null) {
        return { views: [...views], scale: null, ratio: null, observed: null, expected: null };
      }
      const expected = expectedDensities(sizes, { scale, ratio });
      const histogram = (given: Histogram) => ({ ...given, counts: [...given.counts] });
      return {
        views: [...views],
        scale: [...scale],
        ratio: [...ratio],
        observed: {
          scale: histogram(observed.scale),
          ratio: histogram(observed.ratio),
          x: histogram(observed.x),
          y: histogram(observed.y),
        },
        expected: {
          scale: atBins(observed.scale, scale, expected.scale),
          ratio: atBins(observed.ratio, ratio, expected.ratio),
        },
      };
    }),
    rates: rates.map((rate) => ({ ...rate })),
  };
}

/** A density in the middle of each bin; outside of its range it is nothing. */
function atBins(
  { lo, hi, counts }: Histogram,
  [from, to]: readonly [number, number],
  density: (value: number) => number,
) {
  const width = (hi - lo) / counts.length;
  return counts.map((_, i) => {
    const middle = lo + (i + 0.5) * width;
    return middle < from || middle > to ? 0 : density(middle);
  });
}

sharp.cache(false);
setPriority(PRIORITY);
const peer = openPeer<StudioNeeds>(processPort(process), calls, {
  onClose: () => process.exit(0),
});
const sessions = Sessions.create(settings, peer.calls(['manifest']));
