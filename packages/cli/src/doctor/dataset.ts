import { ChunkMaker, type MadeChunk } from '@cropstream/chunks';
import { factsOf, type Inspection } from '@cropstream/datasets';
import { CropstreamError } from '@cropstream/errors';
import { readResources } from '@cropstream/runtime';
import { orderOf, planOf, type ResolvedSpec } from '@cropstream/spec';
import { measurePipeline } from '../bench/measure.js';
import { formatBytes, formatCount, plural } from '../output.js';
import type { OpenedRun } from '../run-options.js';
import { type Check, fail, ok, warn } from './check.js';

/** Steps that a trainer's client holds ahead by default. */
const STEPS_AHEAD = 4;

/** A trainer's window should not take more of the memory than this. */
const FAIR_SHARE = 0.5;

export function checkSamples({ manifest, spec }: OpenedRun): Check {
  const classes = manifest.classes.length;
  const found = `${plural(manifest.length, 'sample')} in ${plural(classes, 'class', 'classes')}, manifest ${manifest.digest.slice(0, 16)}`;
  try {
    planOf(spec, factsOf(manifest));
  } catch (error) {
    if (!(error instanceof CropstreamError)) throw error;
    return fail('dataset', error.problem, error.help);
  }
  return ok('dataset', found);
}

/** A line for each kind of file that cannot be decoded. */
export function checkFiles(inspection: Inspection | undefined, spec: ResolvedSpec): Check[] {
  if (inspection === undefined) return [];
  const { inspected, total, bad, groups } = inspection;
  const looked = inspected === total ? 'all' : `${formatCount(inspected)} of ${formatCount(total)}`;
  if (bad === 0)
    return [
      ok(
        'files',
        `${looked} looked at: ${groups.map(({ format, count }) => `${formatCount(count)} ${format}`).join(', ')}`,
      ),
    ];
  const fatal = spec.on_bad_sample === 'fail' || bad === inspected;
  return groups
    .filter(({ kind }) => kind !== 'supported')
    .map(({ count, format, fix, examples }) => {
      const found = `${formatCount(count)} of ${looked === 'all' ? formatCount(total) : formatCount(inspected)} files: ${format} (${examples.join(', ')})`;
      return fatal
        ? fail('files', found, fix)
        : warn('files', found, `${fix} Until then others stand in for them.`);
    });
}

export function checkBatchMemory(maker: ChunkMaker, spec: ResolvedSpec): Check {
  const batch = maker.layout.sampleBytes * spec.global_batch_size;
  const { memoryBytes } = readResources();
  const found = `${formatBytes(batch)} a global batch of ${formatCount(spec.global_batch_size)}, ${formatBytes(batch * STEPS_AHEAD)} for a trainer's ${STEPS_AHEAD} steps ahead`;
  if (batch * STEPS_AHEAD <= memoryBytes * FAIR_SHARE) return ok('batch memory', found);
  return warn(
    'batch memory',
    found,
    'On one machine: lower global_batch_size, the number of local views, or prefetch.',
  );
}

/** [height, width] that a view's own chain asks for. */
function wantedSize(view: ResolvedSpec['views'][number]): readonly [number, number] | undefined {
  const sizes = view.transforms.flatMap(({ size }) =>
    Array.isArray(size) ? [size as [number, number]] : [],
  );
  return sizes.at(-1);
}

/** Compares what came out with what the spec asks for. */
export function checkSizes(chunk: MadeChunk, spec: ResolvedSpec): Check {
  const wrong = spec.views.flatMap((view) => {
    const [height = 0, width = 0] = wantedSize(view) ?? [];
    const wanted = spec.output.layout === 'nchw' ? [3, height, width] : [height, width, 3];
    const made = chunk.columns.find(({ name }) => name === view.name)?.shape ?? [];
    return made.join() === wanted.join()
      ? []
      : [`${view.name} is ${made.join(' x ')}, not ${wanted.join(' x ')}`];
  });
  if (wrong.length > 0)
    return fail('view sizes', wrong.join('; '), 'This is a defect: please report it with the spec.');
  const sizes = [...new Set(spec.views.map((view) => (wantedSize(view) ?? []).join(' x ')))];
  return ok('view sizes', `${plural(spec.views.length, 'view')} as the spec says: ${sizes.join(', ')}`);
}

export interface SpeedOptions {
  readonly threads: number;
  readonly images: number;
  /** Images a second that are enough. */
  readonly floor: number;
  readonly signal: AbortSignal;
}

/** Makes images for a while: how fast, and which of them cannot be decoded. */
export async function checkSpeed(
  run: OpenedRun,
  { threads, images, floor, signal }: SpeedOptions,
): Promise<Check[]> {
  const { spec, manifest, modules } = run;
  const measured = await measurePipeline({
    spec,
    manifest,
    modules,
    threads,
    decoder: 'auto',
    images,
    signal,
  });
  const speed = measured.images / measured.seconds;
  const found = `${speed.toFixed(0)} images/s, ${(speed * spec.views.length).toFixed(0)} crops/s on ${plural(threads, 'thread')}`;
  const slow = `Under ${floor} images/s. \`cropstream bench\` says which stage it is; more threads or workers help, so do smaller sources and fewer local views.`;
  return [
    speed >= floor ? ok('speed', found) : warn('speed', found, slow),
    measured.bad.size === 0
      ? ok('decoding', `${plural(measured.images, 'image')} made, none of them bad`)
      : warn(
          'decoding',
          badSamples(measured.bad),
          'Replace or remove them; until then others stand in for them.',
        ),
  ];
}

const NAMED = 5;

function badSamples(bad: ReadonlyMap<string, string>): string {
  const named = [...bad]
    .slice(0, NAMED)
    .map(([path, reason]) => (reason.startsWith(path) ? reason : `${path}: ${reason}`));
  return `${plural(bad.size, 'bad sample')}: ${named.join('; ')}${bad.size > NAMED ? '; ...' : ''}`;
}

/** The first chunk of epoch 0, and the maker that made it. */
export async function withFirstChunk<T>(
  run: OpenedRun,
  threads: number,
  signal: AbortSignal,
  use: (maker: ChunkMaker, chunk: MadeChunk) => T,
): Promise<T> {
  const { spec, manifest, modules } = run;
  const maker = await ChunkMaker.create({ spec, manifest, ...modules, threads });
  try {
    const order = orderOf(spec, factsOf(manifest), 0);
    const samples = Math.min(4, order.length);
    const chunk = await maker.make(
      { epoch: 0, indices: Array.from({ length: samples }, (_, i) => order.at(i)) },
      signal,
    );
    try {
      return use(maker, chunk);
    } finally {
      chunk.release();
    }
  } finally {
    await maker.close();
  }
}
