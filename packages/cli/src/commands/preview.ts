import { resolve } from 'node:path';
import type { Darkroom } from '@cropstream/darkroom';
import type { Sample, SampleReader } from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import { type Command, Option } from 'commander';
import { given, integer, integerList } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { Output, plural } from '../output.js';
import { checkOutputFile, writeOutput } from '../outputs.js';
import { addRunOptions, type OpenedRun, openRun, type RunOptions } from '../run-options.js';

interface PreviewOptions extends RunOptions {
  readonly images?: number;
  readonly index?: number[];
  readonly epoch: number;
  readonly epochs?: number;
  readonly effects?: boolean;
  readonly view?: string;
  readonly out: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  addRunOptions(program.command('preview'), ['globalBatchSize', 'dropLast', 'onBadSample'])
    .summary('a PNG contact sheet: a row a view, a column an image')
    .description(
      'Draws what a trainer would get: a row a view, a column an image, the sources with their crop boxes on top.\n--effects shows what each step of a view does on its own; --epochs shows one image over epochs.',
    )
    .addOption(
      new Option('--images <n>', 'how many images (default: 6; with --effects: 4)')
        .argParser(integer(1, 64))
        .conflicts(['index', 'epochs']),
    )
    .option(
      '--index <list>',
      "samples by their number, such as 0,5,9-12 (default: the epoch's first)",
      integerList,
    )
    .option('--epoch <n>', 'the epoch', integer(0), 0)
    .addOption(
      new Option('--epochs <n>', 'one image over so many epochs, a column an epoch')
        .argParser(integer(1, 64))
        .conflicts('effects'),
    )
    .option('--effects', 'a row an image, a column a step: crop, flip, jitter, ...')
    .option('--view <name>', 'of --effects: which view (default: the longest chain)')
    .option('--out <file>', 'where to write', given, 'cropstream-preview.png')
    .option('--json', 'print what was drawn as one JSON object')
    .action((options: PreviewOptions) => interruptible((signal) => preview(options, signal)));
}

/** Files whose header is read to say whether EXIF rotation matters. */
const EXIF_SCAN = 400;

/** EXIF stands at a file's beginning; the frame header follows soon. */
const HEAD_BYTES = 256 * 1024;

/** What the sheets need of a run. */
interface Session extends OpenedRun {
  readonly darkroom: Darkroom;
  readonly reader: SampleReader;
  readonly output: Output;
  /** What was wrong with each sample that was passed over. */
  readonly bad: string[];
  readonly signal: AbortSignal;
}

async function preview(options: PreviewOptions, signal: AbortSignal): Promise<void> {
  const output = new Output(options);
  if (options.view !== undefined && !options.effects) {
    throw failure('SPEC_INCOMPLETE', {
      field: '--effects',
      allowed: 'it beside --view, which says of which view',
    });
  }
  await checkOutputFile(options.out);
  const [{ Darkroom }, { drawSheet }] = await Promise.all([
    import('@cropstream/darkroom'),
    import('@cropstream/darkroom/pictures'),
  ]);
  const run = await openRun(options, output, { signal });
  const darkroom = new Darkroom(run.spec, run.registry);
  const reader = run.openReader();
  try {
    const session: Session = { ...run, darkroom, reader, output, bad: [], signal };
    const exif = await rotatedFiles(session);
    const drawn = options.effects ? await effects(session, options) : await contact(session, options);
    await writeOutput(options.out, await drawSheet(drawn.sheet));
    output.line(
      `${options.out}: ${plural(drawn.samples.length, 'image')}, ${plural(run.spec.views.length, 'view')}`,
    );
    output.json({
      out: resolve(options.out),
      samples: drawn.samples,
      views: run.spec.views.map((v) => v.name),
      exif,
    });
  } finally {
    await reader.close();
  }
}

/** Counts the files whose EXIF orientation is not upright, among the first ones, spread over the dataset. */
async function rotatedFiles({
  manifest,
  reader,
  spec,
  output,
  signal,
}: Session): Promise<{ looked: number; rotated: number }> {
  const { readHeader } = await import('@cropstream/augment');
  const looked = Math.min(manifest.length, EXIF_SCAN);
  let rotated = 0;
  for (let i = 0; i < looked; i++) {
    const id = Math.floor((i * manifest.length) / looked);
    const head = await reader.head(id, HEAD_BYTES, signal);
    if (head === null) return { looked: 0, rotated: 0 };
    try {
      if (readHeader(head, manifest.pathOf(id)).orientation !== 1) rotated++;
    } catch {
      // A bad file has no orientation; the sheet says which are bad.
    }
  }
  if (rotated > 0) {
    const ignored = spec.exif_rotation
      ? 'they are turned upright (decode.exif_rotation).'
      : 'it is ignored, as torchvision does; --exif-rotation (decode.exif_rotation: true) turns them upright.';
    output.note(
      `note: ${rotated} of ${plural(looked, 'file')} ${rotated === 1 ? 'has' : 'have'} an EXIF orientation other than upright; ${ignored}`,
    );
  }
  return { looked, rotated };
}

/** The samples asked for, or the first of the epoch's order; bad ones are named and passed over. */
async function* goodSamples(
  session: Session,
  options: PreviewOptions,
): AsyncGenerator<{ id: number; sample: Sample }> {
  const [{ isBadSample }, { factsOf }, { sampleOf }, { orderOf }] = await Promise.all([
    import('@cropstream/augment'),
    import('@cropstream/datasets'),
    import('@cropstream/schedule'),
    import('@cropstream/spec'),
  ]);
  const { manifest, spec, darkroom, reader, output, bad, signal } = session;
  const order = orderOf(spec, factsOf(manifest), options.epoch);
  const wanted = options.index?.length ?? order.length;
  for (let i = 0; i < wanted; i++) {
    signal.throwIfAborted();
    const id = options.index?.[i] ?? sampleOf(order.at(i));
    let sample: Sample;
    try {
      sample = await darkroom.read({ manifest, reader }, id, signal);
      await darkroom.load(sample);
    } catch (error) {
      if (!isBadSample(error)) throw error;
      bad.push(error.problem);
      output.note(`passed over: ${error.problem} (${error.code})`);
      continue;
    }
    yield { id, sample };
  }
}

const noGoodImage = ({ location, bad }: Session) =>
  failure('NO_GOOD_IMAGE', { url: location, count: bad.length, reason: bad[0] ?? 'none' });

type Drawn = {
  sheet: Parameters<typeof import('@cropstream/darkroom/pictures').drawSheet>[0];
  samples: { index: number; path: string }[];
};

async function contact(session: Session, options: PreviewOptions): Promise<Drawn> {
  const { previewColumn, previewSheet } = await import('@cropstream/darkroom/pictures');
  const { runTitle } = await import('@cropstream/darkroom/pictures');
  const { darkroom, spec, manifest } = session;
  const images = options.epochs === undefined ? (options.images ?? options.index?.length ?? 6) : 1;
  const columns: ReturnType<typeof previewColumn>[] = [];
  const samples: { index: number; path: string }[] = [];
  for await (const { id, sample } of goodSamples(session, options)) {
    samples.push({ index: id, path: sample.path });
    const epochs = options.epochs ?? 1;
    for (let epoch = options.epoch; epoch < options.epoch + epochs; epoch++) {
      const name = sample.path.split('/').at(-1) ?? sample.path;
      const label = manifest.classes[sample.label] ?? '';
      const head = options.epochs === undefined ? [`${id}: ${name}`, label] : [`epoch ${epoch}`];
      columns.push(previewColumn(darkroom, head, { epoch, sampleId: id }));
    }
    if (samples.length >= images) break;
  }
  const first = samples[0];
  if (first === undefined) throw noGoodImage(session);
  const what =
    options.epochs === undefined ? `epoch ${options.epoch}` : `sample ${first.index}, ${first.path}`;
  const text = {
    title: `${runTitle(spec)}: what a trainer gets`,
    subtitle: [
      `seed ${spec.seed}, ${what}; ${plural(manifest.length, 'sample')}; a column's views come from one decoding`,
    ],
  };
  return { sheet: previewSheet(darkroom, spec, columns, text), samples };
}

async function effects(session: Session, options: PreviewOptions): Promise<Drawn> {
  const { certain, effectsRow, effectsSheet, effectsView } = await import('@cropstream/darkroom/pictures');
  const { runTitle } = await import('@cropstream/darkroom/pictures');
  const { darkroom, spec, registry, manifest } = session;
  const view = effectsView(spec, options.view);
  const real = darkroom.views.find((candidate) => candidate.name === view?.name);
  if (view === undefined || real === undefined) {
    const allowed = spec.views.map(({ name }) => name).join(', ');
    throw failure('SPEC_INVALID', { field: '--view', value: options.view ?? '', allowed });
  }
  const sure = certain(view, spec, registry);
  const rows: ReturnType<typeof effectsRow>[] = [];
  const samples: { index: number; path: string }[] = [];
  let sheet: Drawn['sheet'] | undefined;
  for await (const { id, sample } of goodSamples(session, options)) {
    const at = { epoch: options.epoch, sampleId: id };
    const label = { label: `sample ${id}`, details: [manifest.classes[sample.label] ?? ''] };
    rows.push(effectsRow(darkroom, { real, certain: sure }, label, at));
    samples.push({ index: id, path: sample.path });
    const text = {
      title: `${runTitle(spec)}: the effect of each step of ${view.name}`,
      subtitle: [
        `seed ${spec.seed}, epoch ${options.epoch}. Each step alone on the crop, sure to happen and with the strength that was drawn for it;`,
        'on the right the view as it is delivered, where each step happened with its own probability.',
      ],
    };
    sheet = effectsSheet(darkroom, sure, at, rows, text);
    if (samples.length >= (options.images ?? options.index?.length ?? 4)) break;
  }
  if (sheet === undefined) throw noGoodImage(session);
  return { sheet, samples };
}
