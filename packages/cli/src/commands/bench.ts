import type { Command } from 'commander';
import { decodeOnly, measurePipeline, perImage } from '../bench/measure.js';
import { decoderOption, integer } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { formatBytes, Output, plural } from '../output.js';
import { progressBar } from '../progress.js';
import { addRunOptions, openRun, type RunOptions } from '../run-options.js';

interface BenchOptions extends RunOptions {
  readonly threads?: number;
  readonly images: number;
  readonly decoder: 'auto' | 'turbojpeg' | 'sharp';
  readonly json?: boolean;
}

export function register(program: Command): void {
  addRunOptions(program.command('bench'))
    .summary("the bare pipeline's throughput, by stage, beside decoding alone")
    .description(
      'Makes images as a worker does, without a service or a trainer, and says how many a second and where the time\ngoes. The same images are then only decoded: no pipeline that decodes can be faster than that.',
    )
    .option('--threads <n>', 'compute threads (default: as many as the cgroup allows)', integer(1, 256))
    .option(
      '--images <n>',
      'images to make, over several epochs where the dataset has fewer',
      integer(1),
      512,
    )
    .addOption(decoderOption())
    .option('--json', 'print the measurement as one JSON object')
    .action((options: BenchOptions) => interruptible((signal) => bench(options, signal)));
}

async function bench(options: BenchOptions, signal: AbortSignal): Promise<void> {
  const output = new Output(options);
  const { defaultThreads } = await import('@cropstream/runtime');
  const { spec, manifest, modules } = await openRun(options, output, { signal });
  const { images, decoder } = options;
  const threads = options.threads ?? defaultThreads();
  const common = { manifest, modules, threads, decoder, images, signal };
  const measure = async (what: string, run: typeof spec) => {
    const bar = await progressBar(what, images);
    try {
      return await measurePipeline({ ...common, spec: run, report: (done) => bar.update(done) });
    } finally {
      bar.stop();
    }
  };
  const all = await measure('making', spec);
  const decoding = await measure('decoding alone', decodeOnly(spec));
  const images_per_second = all.images / all.seconds;
  const decode_images_per_second = decoding.images / decoding.seconds;
  const result = {
    recipe: spec.recipe ?? spec.name,
    images: all.images,
    threads,
    images_per_second,
    crops_per_second: images_per_second * spec.views.length,
    ms_per_image: perImage(all),
    images_per_second_per_thread: images_per_second / threads,
    decode_only: {
      images_per_second: decode_images_per_second,
      ratio: images_per_second / decode_images_per_second,
    },
    substituted: all.substituted,
    seconds: all.seconds,
    peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
  };
  report(output, result, spec.views.length);
  output.json(result);
}

interface BenchResult {
  readonly recipe: string;
  readonly images: number;
  readonly threads: number;
  readonly images_per_second: number;
  readonly crops_per_second: number;
  readonly ms_per_image: ReturnType<typeof perImage>;
  readonly decode_only: { readonly images_per_second: number; readonly ratio: number };
  readonly substituted: number;
  readonly seconds: number;
  readonly peak_memory_bytes: number;
}

function report(output: Output, r: BenchResult, crops: number): void {
  const rate = (value: number) => value.toFixed(1);
  const perThread = r.images_per_second / r.threads;
  output.line(
    `recipe         ${r.recipe}: ${plural(crops, 'crop')} an image, ${plural(r.images, 'image')} on ${plural(r.threads, 'thread')}`,
  );
  output.line(
    `throughput     ${rate(r.images_per_second)} images/s, ${rate(r.crops_per_second)} crops/s, ${rate(perThread)} images/s a thread`,
  );
  const { images_per_second, ratio } = r.decode_only;
  output.line(
    `decoding alone ${rate(images_per_second)} images/s; the whole pipeline runs at ${(100 * ratio).toFixed(0)} % of that`,
  );
  output.line(`peak memory    ${formatBytes(r.peak_memory_bytes)}`);
  if (r.substituted > 0) output.line(`substituted    ${plural(r.substituted, 'bad sample')}`);
  output.line();
  const { total, ...stages } = r.ms_per_image;
  const share = (ms: number) => `${((100 * ms) / Math.max(total, Number.EPSILON)).toFixed(0)} %`;
  output.table(
    ['stage', 'ms an image', 'share'],
    [
      ...Object.entries(stages).map(([stage, ms]) => [stage, ms.toFixed(3), share(ms)]),
      ['total', total.toFixed(3), ''],
    ],
    [1, 2],
  );
}
