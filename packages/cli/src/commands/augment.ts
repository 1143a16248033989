import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { ViewParams } from '@cropstream/augment';
import type { Darkroom, SourceFacts } from '@cropstream/darkroom';
import type { Manifest } from '@cropstream/datasets';
import { failure } from '@cropstream/errors';
import { type Command, Option } from 'commander';
import { given, integer, integerList } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { Output, plural } from '../output.js';
import { checkOutputFolder, makeOutputFolder, writeOutput } from '../outputs.js';
import { progressBar } from '../progress.js';
import { addRunOptions, openRun, type RunOptions, runInput } from '../run-options.js';

interface AugmentOptions extends RunOptions {
  readonly image?: string;
  readonly epoch: number;
  readonly index?: number[];
  readonly out: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  addRunOptions(program.command('augment'), ['globalBatchSize', 'shuffle', 'dropLast', 'onBadSample'])
    .summary("one image's crops and their parameters")
    .description(
      'Writes every view of an image as <view>.png, and the parameters that made it as params.json. Applying those\nwith Pillow gives the same pixels. With --data: every image of a dataset, or those of --index, each into a\nfolder of its own.',
    )
    .addOption(
      new Option('--image <file>', 'the image')
        .argParser(given)
        .conflicts(['data', 'source', 'split', 'subset', 'labels']),
    )
    .option('--epoch <n>', 'the epoch whose crops to make', integer(0), 0)
    .option(
      '--index <n>',
      "the sample's number in its dataset (with --data: a list, such as 0,5,9-12)",
      integerList,
    )
    .option('--out <folder>', 'where to write', given, 'augmented')
    .option('--json', 'print what was written as one JSON object')
    .action((options: AugmentOptions) => interruptible((signal) => augment(options, signal)));
}

/** What params.json says. */
export interface ParamsFile {
  readonly image: string;
  readonly index: number;
  readonly epoch: number;
  readonly seed: number;
  readonly recipe: string | null;
  /** Pixels of the image that boxes are in: after EXIF rotation, if that is on. */
  readonly source: { readonly width: number; readonly height: number };
  readonly exif: { readonly orientation: number; readonly applied: boolean };
  /** The spec's `decode.draft`, null where it has none. */
  readonly draft: number | null;
  readonly views: Readonly<Record<string, ViewParams>>;
}

async function augment(options: AugmentOptions, signal: AbortSignal): Promise<void> {
  const output = new Output(options);
  if (options.image === undefined && options.data === undefined && options.spec === undefined) {
    throw failure('SPEC_INCOMPLETE', {
      field: '--image',
      allowed: 'an image file, or --data with a folder of them',
    });
  }
  await checkOutputFolder(options.out);
  if (options.image !== undefined) await augmentImage(options.image, options, output);
  else await augmentDataset(options, output, signal);
}

async function augmentImage(image: string, options: AugmentOptions, output: Output): Promise<void> {
  const [{ Darkroom }, { loadTransforms }, { parseSpec }] = await Promise.all([
    import('@cropstream/darkroom'),
    import('@cropstream/augment'),
    import('@cropstream/spec'),
  ]);
  const registry = await loadTransforms([...(options.transform ?? [])]);
  // A run needs a dataset; here it is the image's own folder, of which nothing else is read.
  const input = await runInput({ ...options, data: dirname(image), source: 'image-folder' }, output);
  input.dataset = { source: 'image-folder', url: dirname(image) };
  const spec = parseSpec(input, { transforms: registry, samples: 1 });
  const [index = 0, ...more] = options.index ?? [];
  if (more.length > 0) {
    const allowed = 'one number beside --image: its own in its dataset';
    throw failure('SPEC_INVALID', { field: '--index', value: options.index?.join() ?? '', allowed });
  }
  const path = basename(image);
  const darkroom = new Darkroom(spec, registry);
  const sample = { encoded: await readImage(image, darkroom), path };
  const written = await develop(darkroom, sample, options.out, { index, epoch: options.epoch, spec });
  if (written.exif.orientation !== 1 && !written.exif.applied) {
    output.note(
      `note: EXIF says orientation ${written.exif.orientation}; it is ignored, as torchvision does. --exif-rotation turns it upright.`,
    );
  }
  noteFloatViews(darkroom, output);
  output.line(`${plural(Object.keys(written.views).length, 'view')} of ${path} in ${options.out}`);
  output.json({ out: resolve(options.out), ...written });
}

async function readImage(path: string, darkroom: Darkroom): Promise<Uint8Array> {
  const unreadable = (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    return failure('IMAGE_NOT_FOUND', { path, reason }, { cause: error });
  };
  const { size } = await stat(path).catch((error) => Promise.reject(unreadable(error)));
  darkroom.checkBytes(basename(path), size);
  return readFile(path).catch((error) => Promise.reject(unreadable(error)));
}

async function augmentDataset(options: AugmentOptions, output: Output, signal: AbortSignal): Promise<void> {
  const [{ Darkroom }, { isBadSample }] = await Promise.all([
    import('@cropstream/darkroom'),
    import('@cropstream/augment'),
  ]);
  const { spec, manifest, openReader, registry } = await openRun(options, output, { signal });
  const darkroom = new Darkroom(spec, registry);
  const reader = openReader();
  const ids = options.index ?? Array.from({ length: manifest.length }, (_, i) => i);
  const bar = await progressBar('augmenting', ids.length);
  const folders: string[] = [];
  const bad: { path: string; code: string; problem: string }[] = [];
  try {
    for (const [done, index] of ids.entries()) {
      signal.throwIfAborted();
      try {
        const sample = await darkroom.read({ manifest, reader }, index, signal);
        const folder = join(options.out, outputFolder(manifest, index));
        await develop(darkroom, sample, folder, { index, epoch: options.epoch, spec });
        folders.push(folder);
      } catch (error) {
        if (!isBadSample(error)) throw error;
        bad.push({ path: manifest.pathOf(index), code: error.code, problem: error.problem });
      }
      bar.update(done + 1);
    }
  } finally {
    bar.stop();
    await reader.close();
  }
  for (const { problem, code } of bad) output.note(`skipped: ${problem} (${code})`);
  noteFloatViews(darkroom, output);
  output.line(
    `${plural(folders.length, 'image')}, ${plural(darkroom.views.length, 'view')} each, in ${options.out}`,
  );
  output.json({
    out: resolve(options.out),
    images: folders.length,
    views: darkroom.views.map((v) => v.name),
    bad,
  });
}

/** A folder of its own for each sample: its path, which may share a stem with another of its folder. */
function outputFolder(manifest: Manifest, index: number): string {
  const path = manifest.pathOf(index);
  return path.includes('#') || path === '' ? `sample-${index}` : path;
}

interface Job {
  readonly index: number;
  readonly epoch: number;
  readonly spec: {
    readonly seed: number;
    readonly recipe: string | null;
    readonly exif_rotation: boolean;
    readonly draft?: number;
  };
}

async function develop(
  darkroom: Darkroom,
  sample: Parameters<Darkroom['load']>[0],
  folder: string,
  { index, epoch, spec }: Job,
): Promise<ParamsFile> {
  const { default: sharp } = await import('sharp');
  const source: SourceFacts = await darkroom.load(sample);
  await makeOutputFolder(folder);
  const views: Record<string, ViewParams> = {};
  for (const view of darkroom.views) {
    const { params, image } = darkroom.develop(view, { epoch, sampleId: index });
    views[view.name] = params;
    const raw = { width: image.width, height: image.height, channels: 3 as const };
    const png = await sharp(image.data, { raw }).png({ compressionLevel: 3 }).toBuffer();
    await writeOutput(join(folder, `${view.name}.png`), png);
  }
  const file: ParamsFile = {
    image: sample.path,
    index,
    epoch,
    seed: spec.seed,
    recipe: spec.recipe,
    source: { width: source.width, height: source.height },
    exif: { orientation: source.orientation, applied: spec.exif_rotation },
    draft: spec.draft ?? null,
    views,
  };
  await writeOutput(join(folder, 'params.json'), `${inlineArrays(JSON.stringify(file, null, 2))}\n`);
  return file;
}

/** Lists of numbers and words on one line: a box is read at a glance. */
function inlineArrays(json: string): string {
  return json.replace(
    /\[\s+([^[\]{}]*?)\s+\]/g,
    (_, items: string) => `[${items.replace(/\s*\n\s*/g, ' ')}]`,
  );
}

function noteFloatViews(darkroom: Darkroom, output: Output): void {
  const float = darkroom.views.filter((view) => view.dtype !== 'uint8').map((view) => view.name);
  if (float.length > 0)
    output.note(`note: ${float.join(', ')}: written as they are before normalize (uint8)`);
}
