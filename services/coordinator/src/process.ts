import { resolve } from 'node:path';
import { loadTransforms, pixelFingerprint } from '@cropstream/augment';
import { connectFleet } from '@cropstream/broker/redis';
import { loadSources } from '@cropstream/datasets';
import { CropstreamError } from '@cropstream/errors';
import {
  type Clock,
  createLogger,
  createRegistry,
  exportRedis,
  openTracing,
  peerSecurity,
  redisAccess,
  Shutdown,
  serverSecurity,
  sleep,
  systemClock,
  systemRandomness,
  warnIfExposed,
} from '@cropstream/runtime';
import { coordinatorConfig } from './config.js';
import type { OpenedRun, RunCatalog } from './runs.js';
import { type CoordinatorService, prepareCoordinator } from './service.js';

export interface CoordinatorProcess {
  readonly service: CoordinatorService;
  /** Where it listens. */
  readonly host: string;
  /** The run that it was started with. */
  readonly run: OpenedRun | null;
}

/** The run that it is started with. */
export interface FirstRun {
  readonly owner: string;
  readonly spec: unknown;
}

/** A start without Redis fails after so long: whoever started it starts it again. */
const CONNECT_MS = 60_000;
/** Between tries to open the first run, while Redis is away. */
const RETRY_MS = 1_000;
/** Ending takes so long beyond the grace at most. */
const END_MS = 5_000;

/**
 * A coordinator of a fleet as a process: configured by its environment, ended by SIGTERM or SIGINT. It opens its first
 * run, if it has one, before it listens.
 * @throws CONFIG_INVALID, PORT_IN_USE, TRANSFORM_INVALID, SOURCE_INVALID, STORE_UNAVAILABLE, and what opening a run throws
 */
export async function runCoordinator(
  env: NodeJS.ProcessEnv,
  first: FirstRun | null = null,
): Promise<CoordinatorProcess> {
  const config = coordinatorConfig(env);
  const { CROPSTREAM_HOST: host, CROPSTREAM_GRACE: graceMs } = config;
  const clock = systemClock;
  const log = createLogger({ name: 'coordinator', level: config.CROPSTREAM_LOG_LEVEL });
  const security = serverSecurity(config);
  const peers = peerSecurity(security, config);
  warnIfExposed(host, security, log);
  const modules = {
    transforms: (config.CROPSTREAM_TRANSFORMS ?? []).map((path) => resolve(path)),
    sources: config.CROPSTREAM_SOURCES ?? [],
  };
  const transforms = await loadTransforms(modules.transforms);
  const sources = await loadSources(modules.sources);
  const fingerprint = await pixelFingerprint();
  const fleet = await connectFleet({
    ...redisAccess(config),
    prefix: config.CROPSTREAM_PREFIX,
    log,
    connectMs: CONNECT_MS,
  });
  const registry = createRegistry();
  exportRedis(registry, () => fleet.isReady());
  const tracing = await openTracing({ service: 'cropstream-coordinator', env, clock, log });
  try {
    const prepared = await prepareCoordinator({
      ...fleet,
      clock,
      randomness: systemRandomness,
      log,
      registry,
      tracer: tracing,
      transforms,
      sources,
      modules,
      fingerprint: async () => fingerprint,
      host,
      port: config.CROPSTREAM_PORT,
      httpPort: config.CROPSTREAM_HTTP_PORT,
      flags: { port: 'CROPSTREAM_PORT', httpPort: 'CROPSTREAM_HTTP_PORT' },
      limits: config.limits,
      grpc: config.grpc,
      http: config.http,
      security,
      peers,
    });
    const opening = first && openRun(prepared.catalog, first, clock);
    const run =
      (await opening?.catch((error) => {
        prepared.close();
        throw error;
      })) ?? null;
    for (const notice of run?.notices ?? []) log.info({ run: run?.run.name }, notice);
    const service = await prepared.listen();
    const shutdown = new Shutdown({ log, clock, graceMs: graceMs + END_MS });
    shutdown.add('Redis', () => fleet.close());
    if (tracing) shutdown.add('traces', () => tracing.close());
    shutdown.add('coordinator', () => service.close(graceMs));
    shutdown.listen();
    log.info({ host, port: service.port, httpPort: service.httpPort, fingerprint }, 'coordinating');
    return { service, host, run };
  } catch (error) {
    await fleet.close();
    throw error;
  }
}

/** However long Redis is away. */
async function openRun(catalog: RunCatalog, { owner, spec }: FirstRun, clock: Clock): Promise<OpenedRun> {
  for (;;) {
    try {
      return await catalog.open(owner, spec);
    } catch (error) {
      if (!(error instanceof CropstreamError) || error.code !== 'STORE_UNAVAILABLE') throw error;
      await sleep(clock, RETRY_MS);
    }
  }
}
