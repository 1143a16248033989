import { resolve } from 'node:path';
import type { CompiledView } from '@cropstream/augment';
import type { CropStatistics } from '@cropstream/darkroom/statistics';
import { failure } from '@cropstream/errors';
import type { ResolvedSpec } from '@cropstream/spec';
import type { Command } from 'commander';
import { given, integer } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { formatBytes, Output, plural } from '../output.js';
import { checkOutputFile, writeOutput } from '../outputs.js';
import { progressBar } from '../progress.js';
import { addRunOptions, openRun, type RunOptions } from '../run-options.js';

interface StatsOptions extends RunOptions {
  readonly images: number;
  readonly out: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  addRunOptions(program.command('stats'), ['dropLast', 'onBadSample'])
    .summary('crop statistics against the configured ranges, sizes, memory a batch')
    .description(
      'Draws boxes as a run would (from image headers alone, so it is quick), and compares scale, aspect ratio,\nposition and the rate of each step with what is configured. Writes the histograms as a PNG.',
    )
    .option(
      '--images <n>',
      'samples to draw; over several epochs where the dataset has fewer',
      integer(1, 1_000_000),
      2000,
    )
    .option('--out <file>', 'where to write', given, 'cropstream-stats.png')
    .option('--json', 'print the statistics as one JSON object')
    .action((options: StatsOptions) => interruptible((signal) => stats(options, signal)));
}

async function stats(options: StatsOptions, signal: AbortSignal): Promise<void> {
  const output = new Output(options);
  await checkOutputFile(options.out);
  const [{ compileViews }, { drawBoxes, namesOf }] = await Promise.all([
    import('@cropstream/augment'),
    import('@cropstream/darkroom/statistics'),
  ]);
  const { spec, manifest, location, openReader, registry } = await openRun(options, output, { signal });
  const reader = openReader();
  const bar = await progressBar('drawing', options.images);
  const { statistics, drawn, bad, files } = await drawBoxes({
    ...{ spec, registry, signal, images: options.images, dataset: { manifest, reader } },
    report: (looked) => bar.update(looked),
  }).finally(async () => {
    bar.stop();
    await reader.close();
  });
  if (drawn === 0) {
    const reason = 'no header could be read';
    throw failure('NO_GOOD_IMAGE', { url: location, count: files, reason });
  }
  const memory = memoryOf(compileViews(spec.views, spec.output, registry), spec);
  const { drawStatsChart } = await import('../pictures/stats-chart.js');
  const subtitle = [
    `${plural(drawn, 'draw')} from ${plural(manifest.length, 'sample')}, seed ${spec.seed}. Bars: the boxes drawn. Dashed: as configured.`,
    'Full line: what to expect for these images, where a box that does not fit is drawn again (torchvision does the same).',
  ];
  const { runTitle } = await import('@cropstream/darkroom/pictures');
  const title = `${runTitle(spec)}: crop statistics`;
  await writeOutput(options.out, await drawStatsChart(statistics, { title, subtitle }));
  report(output, statistics, memory, namesOf);
  if (bad > 0)
    output.line(
      `\n${plural(bad, 'draw')} fell on files that are no images; \`cropstream index\` names them.`,
    );
  output.line(`\nHistograms: ${options.out}`);
  output.json({
    out: resolve(options.out),
    samples: drawn,
    bad,
    recipe: spec.recipe,
    ...memory,
    ...statistics,
  });
}

interface ViewMemory {
  readonly name: string;
  /** Of one sample. */
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly bytes_per_sample: number;
  readonly bytes_per_batch: number;
}

function memoryOf(views: readonly CompiledView[], spec: ResolvedSpec) {
  const rows = views.map(({ name, shape, dtype, bytesPerSample }): ViewMemory => {
    const bytes_per_batch = bytesPerSample * spec.global_batch_size;
    return { name, shape, dtype, bytes_per_sample: bytesPerSample, bytes_per_batch };
  });
  const named = views.some(({ name }) => name.startsWith('global'));
  const largest = Math.max(...views.map(({ bytesPerSample }) => bytesPerSample));
  const globals = views.filter((view) =>
    named ? view.name.startsWith('global') : view.bytesPerSample === largest,
  );
  return {
    global_batch_size: spec.global_batch_size,
    crops_per_image: views.length,
    global_crops: globals.length,
    local_crops: views.length - globals.length,
    bytes_per_sample: rows.reduce((sum, row) => sum + row.bytes_per_sample, 0),
    bytes_per_batch: rows.reduce((sum, row) => sum + row.bytes_per_batch, 0),
    views: rows,
  };
}

function report(
  output: Output,
  { groups, rates }: CropStatistics,
  memory: ReturnType<typeof memoryOf>,
  namesOf: (views: readonly string[]) => string,
): void {
  const batch = memory.global_batch_size;
  output.table(
    ['view', 'shape of a sample', 'dtype', 'a sample', `a batch of ${batch}`],
    [
      ...memory.views.map((view) => [
        view.name,
        view.shape.join(' x '),
        view.dtype,
        formatBytes(view.bytes_per_sample),
        formatBytes(view.bytes_per_batch),
      ]),
      ['all', '', '', formatBytes(memory.bytes_per_sample), formatBytes(memory.bytes_per_batch)],
    ],
    [3, 4],
  );
  const { crops_per_image: crops, global_crops: globals, local_crops: locals } = memory;
  const kinds =
    locals === 0
      ? 'all of one kind'
      : `${globals} global, ${locals} local, ${(locals / globals).toFixed(1)} local for each global`;
  output.line(`\n${plural(crops, 'crop')} an image: ${kinds}.\n`);
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  const span = (lo: number, hi: number, mean: number) =>
    `${lo.toFixed(3)} to ${hi.toFixed(3)}, mean ${mean.toFixed(3)}`;
  for (const { views, scale, ratio: aspect, observed } of groups) {
    if (scale === null || aspect === null || observed === null) {
      output.line(`${namesOf(views)}: cropped without chance`);
      continue;
    }
    output.line(namesOf(views));
    output.line(
      `  scale  configured ${scale.join(' to ')}  drawn ${span(observed.scale.min, observed.scale.max, observed.scale.mean)}`,
    );
    output.line(
      `  ratio  configured ${aspect.map((side) => side.toFixed(3)).join(' to ')}  drawn ${span(observed.ratio.min, observed.ratio.max, observed.ratio.mean)}`,
    );
  }
  if (rates.length === 0) return;
  output.line();
  output.table(
    ['views', 'step', 'configured', 'happened'],
    grouped(rates).map(({ views, step, configured, observed }) => [
      namesOf(views),
      step,
      percent(configured),
      percent(observed),
    ]),
    [2, 3],
  );
}

/** Rates of views that are configured alike, averaged: eight locals are one line. */
function grouped(rates: CropStatistics['rates']) {
  const chains = new Map<string, string>();
  for (const { view, step, configured } of rates) {
    chains.set(view, `${chains.get(view) ?? ''} ${step} ${configured}`);
  }
  const groups = new Map<string, { views: string[]; step: string; configured: number; sum: number }>();
  for (const { view, step, configured, observed } of rates) {
    const key = `${view.replace(/_\d+$/, '')}${chains.get(view)} ${step}`;
    const group = groups.get(key) ?? { views: [], step, configured, sum: 0 };
    groups.set(key, { ...group, views: [...group.views, view], sum: group.sum + observed });
  }
  return [...groups.values()].map((group) => ({ ...group, observed: group.sum / group.views.length }));
}
