import type { Worker } from 'node:worker_threads';
import type { Store } from '@cropstream/broker';
import type { DecoderChoice } from '@cropstream/chunks';
import type {
  CoordinatorService,
  CoordinatorServiceOptions,
  OpenRun,
  RunCatalog,
} from '@cropstream/coordinator';
import type { Cells } from '@cropstream/crop-worker';
import type { Inspection, SourceRegistry } from '@cropstream/datasets';
import { type CropstreamError, failure } from '@cropstream/errors';
import { type Command, Option } from 'commander';
import { given, integer, ownerOption } from '../flags.js';
import { isUrl } from '../guess-source.js';
import { formatBytes, formatCount, Output, plural } from '../output.js';
import { DEFAULT_HTTP_PORT, DEFAULT_PORT } from '../ports.js';
import { progressCount } from '../progress.js';
import { addRunOptions, type Modules, modulesOf, type RunOptions, runInput } from '../run-options.js';

interface ServeOptions extends RunOptions {
  readonly name?: string;
  readonly owner: string;
  readonly host: string;
  readonly advertise?: string;
  readonly port: number;
  readonly httpPort: number;
  readonly workerPort: number;
  readonly threads?: number;
  readonly cells?: number;
  readonly outboxBytes?: number;
  readonly decoder: DecoderChoice;
  readonly grace: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly json?: boolean;
}

/** Runs of a dataset up to this size have every file's kind looked at before they start: a second at most. */
const INSPECT_FILES = 5000;
/** Of remote data so many of them: each costs a round trip. */
const INSPECT_REMOTE_FILES = 100;

export function register(program: Command): void {
  const command = program
    .command('serve')
    .description(
      'coordinator and crop-workers in one process: serve a folder to trainers, nothing else needed',
    )
    .option('--name <run>', 'the name that trainers open the run by (default: the spec\'s, else "default")')
    .addOption(ownerOption())
    .option('--host <address>', 'where to listen; 0.0.0.0 lets other machines in', '127.0.0.1')
    .option(
      '--advertise <host>',
      "by what trainers reach this machine (default: --host; the machine's name where that is all addresses)",
      given,
    )
    .option('--port <n>', 'gRPC for trainers; 0: any free one', integer(0, 65_535), DEFAULT_PORT)
    .option(
      '--http-port <n>',
      'health and metrics over HTTP; 0: any free one',
      integer(0, 65_535),
      DEFAULT_HTTP_PORT,
    )
    .option('--worker-port <n>', "the first cell's port for chunks; 0: any free ones", integer(0, 65_535), 0)
    .option('--threads <n>', 'compute threads (default: the CPUs that the cgroup allows)', integer(1, 1024))
    .option('--cells <n>', 'event loops that send chunks (default: one for each 8 threads)', integer(1, 256))
    .option(
      '--outbox-bytes <n>',
      'memory for finished chunks (default: a quarter of the memory, 4 GiB at most)',
      integer(1 << 20),
    )
    .addOption(
      new Option('--decoder <name>', 'JPEG decoder; the bytes are the same')
        .choices(['auto', 'turbojpeg', 'sharp'])
        .default('auto'),
    )
    .option('--grace <seconds>', 'how long a stop waits for streams under way', integer(0, 3600), 5)
    .addOption(
      new Option('--log-level <level>', 'what is logged')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .option('--json', 'print one JSON object once trainers may attach');
  addRunOptions(command).action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  // There is one cell at least: it loads its code while this thread loads its own.
  const { letGo, warmThread } = await import('@cropstream/crop-worker/warm');
  const warm = warmThread(0);
  try {
    await serveWith(options, warm);
  } catch (error) {
    letGo(warm);
    throw error;
  }
}

async function serveWith(options: ServeOptions, warm: Worker): Promise<void> {
  const [{ MemoryBroker, MemoryStore }, runtime, { dataConfig, startCells, workerMetrics }] =
    await Promise.all([
      import('@cropstream/broker'),
      import('@cropstream/runtime'),
      import('@cropstream/crop-worker'),
    ]);
  const output = new Output(options);
  const input = await runInput(options, output);
  if (options.name !== undefined) input.name = options.name;

  const clock = runtime.systemClock;
  const log = runtime.createLogger({ name: 'serve', level: options.logLevel });
  const { security, peers } = runtime.loadSecurity(process.env);
  const data = dataConfig(process.env);
  const transport = runtime.loadTransportLimits(process.env);
  runtime.warnIfExposed(options.host, security, log);
  const modules = modulesOf(options);
  const registry = runtime.createRegistry();
  const shared = { store: new MemoryStore({ clock }), broker: new MemoryBroker({ clock }) };
  const fingerprint = async () => (await import('@cropstream/augment')).pixelFingerprint();
  const threads = options.threads ?? runtime.defaultThreads();
  const graceMs = options.grace * 1000;
  const tracing = await runtime.openTracing({
    service: 'cropstream-coordinator',
    env: process.env,
    clock,
    log,
  });

  // They load their code on threads of their own, while this one loads the coordinator's and the dataset is indexed.
  const starting = startCells({
    warm,
    ...shared,
    log,
    emit: workerMetrics(registry, fingerprint),
    fingerprint,
    host: options.host,
    ...(options.advertise !== undefined && { advertise: options.advertise }),
    port: options.workerPort,
    security,
    grpc: transport.grpc,
    threads,
    ...modules,
    decoder: options.decoder,
    ...data,
    ...(options.cells !== undefined && { cells: options.cells }),
    ...(options.outboxBytes !== undefined && { limits: { outboxBytes: options.outboxBytes } }),
  });
  const opening = openCoordinator(options, input, output, {
    ...{ ...shared, ...transport, clock, log, registry, modules, fingerprint, security, peers },
    randomness: runtime.systemRandomness,
    tracer: tracing,
    memoryBytes: data.dataLimits.shardMemoryBytes,
  });
  const [cells, { run, coordinator }] = await Promise.all([starting, opening]).catch(async (error) => {
    const closing = [starting.then((it) => it.close(0)), opening.then((it) => it.coordinator.close(0))];
    await Promise.allSettled(closing);
    throw error;
  });
  announce(output, run, { host: options.advertise ?? options.host, coordinator, cells, threads });
  const shutdown = new runtime.Shutdown({ log, clock, graceMs: 2 * graceMs + 5000 });
  if (tracing) shutdown.add('traces', () => tracing.close());
  // The last added ends first: trainers are told before the workers they draw from go away.
  shutdown.add('cells', () => cells.close(graceMs));
  shutdown.add('coordinator', () => coordinator.close(graceMs));
  shutdown.listen();
}

/** What the coordinator has from the rest of the process. */
type Surroundings = Omit<
  CoordinatorServiceOptions,
  'transforms' | 'sources' | 'modules' | 'limits' | 'host' | 'port' | 'httpPort'
> & {
  readonly modules: Modules;
  /** What looking at the dataset may keep in memory. */
  readonly memoryBytes: number | undefined;
};

/** A coordinator that listens, with the run open. */
async function openCoordinator(
  options: ServeOptions,
  input: unknown,
  output: Output,
  { memoryBytes, ...service }: Surroundings,
): Promise<{ readonly run: OpenRun; readonly coordinator: CoordinatorService }> {
  const [{ loadTransforms }, { loadSources }, { coordinatorLimits, prepareCoordinator }] = await Promise.all([
    import('@cropstream/augment'),
    import('@cropstream/datasets'),
    import('@cropstream/coordinator'),
  ]);
  const sources = await loadSources(service.modules.sources);
  const prepared = await prepareCoordinator({
    ...service,
    transforms: await loadTransforms(service.modules.transforms),
    sources,
    limits: coordinatorLimits(process.env),
    host: options.host,
    port: options.port,
    httpPort: options.httpPort,
  });
  const looking = { store: service.store, sources, memoryBytes, owner: options.owner };
  const run = await open(prepared.catalog, input, looking, output).catch((error) => {
    prepared.close();
    throw error;
  });
  return { run, coordinator: await prepared.listen() };
}

interface Where {
  /** By what trainers reach it. */
  readonly host: string;
  readonly coordinator: CoordinatorService;
  readonly cells: Cells;
  readonly threads: number;
}

/** Says where trainers find the run, for people or for scripts. */
function announce(output: Output, { name, digest, info, sampleBytes }: OpenRun, where: Where): void {
  const { host, coordinator, cells, threads } = where;
  const target = `${host}:${coordinator.port}`;
  const http = `${coordinator.httpScheme}://${host}:${coordinator.httpPort}`;
  const workers = cells.addresses().map(({ address }) => address);
  const samples = Number(info.samples);
  const steps = Number(info.stepsPerEpoch);
  const batch = Number(info.globalBatchSize);
  const step = `${plural(batch, 'sample')}, ${formatBytes(batch * sampleBytes)}`;
  output.line(
    `run        ${name}: ${plural(samples, 'sample')}; an epoch is ${plural(steps, 'step')} of ${step}`,
  );
  output.line(`views      ${viewsLine(info.views)}`);
  output.line(`digest     ${digest}`);
  output.line(`trainers   ${target}   (try: cropstream pull --target ${target})`);
  output.line(`dashboard  ${http}/   (beside it /metrics, /healthz, /readyz, /api/docs)`);
  output.line(`workers    ${workers.join(', ')} on ${plural(threads, 'thread')}`);
  // Last, so that a script that waits for it has everything before it.
  output.json({
    target,
    http,
    run: name,
    digest,
    samples,
    steps_per_epoch: steps,
    global_batch_size: batch,
    threads,
    workers,
    fingerprint: info.fingerprint,
  });
}

/** `2 x 224x224, 8 x 96x96 uint8`: what a person would notice first if a view were missing or double. */
function viewsLine(views: OpenRun['info']['views']): string {
  const counts = new Map<string, number>();
  for (const { dtype, shape } of views) {
    const [height, width] = shape[0] === 3 ? shape.slice(1) : shape;
    const kind = `${height}x${width} ${dtype}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => `${count} of ${kind}`).join(', ');
}

/** What a dataset is looked at with before it is served, and for whom. */
interface Inspecting {
  readonly owner: string;
  readonly store: Store;
  readonly sources: SourceRegistry;
  readonly memoryBytes: number | undefined;
}

/** Opens the run with a bar while it is indexed, and says what the user should know of the data. */
async function open(
  catalog: RunCatalog,
  input: unknown,
  { owner, store, sources, memoryBytes }: Inspecting,
  output: Output,
): Promise<OpenRun> {
  const { inspectDataset, inspectionNotices, locationOf, openDataset, partsFrom, ShardMemory } = await import(
    '@cropstream/datasets'
  );
  const { sniff } = await import('@cropstream/augment');
  const bar = await progressCount('indexing', 'files');
  const { run, notices, manifest } = await catalog
    .open(owner, input, ({ files }) => bar.update(files))
    .finally(() => bar.stop());
  for (const notice of notices) output.note(`note: ${notice}`);
  if (manifest.length <= INSPECT_FILES) {
    const { dataset } = run.spec;
    const location = locationOf(dataset);
    const parts = partsFrom((digest) => store.manifest(digest));
    const reader = openDataset(location, manifest, { sources, parts, memory: new ShardMemory(memoryBytes) });
    const isRemote = (dataset.source === 'mix' ? dataset.datasets : [dataset]).some(({ url }) => isUrl(url));
    const maxFiles = isRemote ? Math.min(INSPECT_REMOTE_FILES, manifest.length) : manifest.length;
    const inspection = await inspectDataset(manifest, reader, { sniff, maxFiles }).finally(() =>
      reader.close(),
    );
    for (const notice of inspectionNotices(inspection)) output.note(`note: ${notice}`);
    if (inspection.bad === manifest.length) throw noneGood(location, inspection);
  }
  return run;
}

function noneGood(url: string, { total }: Inspection): CropstreamError {
  return failure('DATASET_EMPTY', {
    url,
    found: `${formatCount(total)} files, none of which can be decoded`,
  });
}
