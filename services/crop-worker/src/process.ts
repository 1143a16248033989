import { join, resolve } from 'node:path';
import { pixelFingerprint } from '@cropstream/augment';
import { connectFleet } from '@cropstream/broker/redis';
import {
  createLogger,
  createRegistry,
  defaultCacheFolder,
  exportRedis,
  type Logger,
  openAccess,
  redisAccess,
  ServerCertificates,
  Shutdown,
  serverSecurity,
  systemClock,
  warnIfExposed,
} from '@cropstream/runtime';
import { type HttpServer, startHttpServer } from '@cropstream/runtime/http';
import { advertisedHost } from './advertise.js';
import { type Cells, startCells } from './cells/cells.js';
import { workerConfig } from './config.js';
import { cacheManifests, ManifestCache } from './manifests.js';
import { workerMetrics } from './worker/metrics.js';

export interface WorkerProcess {
  readonly cells: Cells;
  /** Where it listens. */
  readonly host: string;
  readonly httpPort: number;
  readonly httpScheme: HttpServer['scheme'];
  readonly threads: number;
  readonly fingerprint: string;
  readonly log: Logger;
}

/** A start without Redis fails after so long: whoever started it starts it again. */
const CONNECT_MS = 60_000;
/** Ending takes so long beyond the grace at most. */
const END_MS = 10_000;
/** What streams under way get after the drain, which has waited for those that matter. */
const STREAMS_MS = 1_000;

/**
 * The crop-workers of a machine as a process: configured by its environment; on SIGTERM or SIGINT it takes no more
 * jobs, and ends once what it holds was fetched, or after its grace.
 * @throws CONFIG_INVALID, PORT_IN_USE, TRANSFORM_INVALID, STORE_UNAVAILABLE
 */
export async function runWorker(env: NodeJS.ProcessEnv): Promise<WorkerProcess> {
  const config = workerConfig(env);
  const { CROPSTREAM_HOST: host, CROPSTREAM_GRACE: graceMs, threads } = config;
  const redis = redisAccess(config);
  const clock = systemClock;
  const log = createLogger({ name: 'crop-worker', level: config.CROPSTREAM_LOG_LEVEL });
  const security = serverSecurity(config);
  warnIfExposed(host, security, log);
  const registry = createRegistry();
  const cache = new ManifestCache({
    folder: join(config.CROPSTREAM_CACHE ?? defaultCacheFolder(env), 'manifests'),
    maxBytes: config.CROPSTREAM_CACHE_BYTES,
    log,
  });
  const shutdown = new Shutdown({ log, clock, graceMs: graceMs + END_MS });
  // What was opened last is closed first, here too where not all could be opened.
  const opened: (() => Promise<unknown>)[] = [];
  try {
    const fleet = await connectFleet({
      ...redis,
      prefix: config.CROPSTREAM_PREFIX,
      log,
      connectMs: CONNECT_MS,
    });
    opened.push(() => fleet.close());
    exportRedis(registry, () => fleet.isReady());
    const told = config.CROPSTREAM_ADVERTISE;
    const advertise = await advertisedHost({ advertise: told, host, redis, clock, log });
    const cells = await startCells({
      store: cacheManifests(fleet.store, cache),
      broker: fleet.broker,
      log,
      emit: workerMetrics(registry, pixelFingerprint),
      fingerprint: pixelFingerprint,
      host,
      port: config.CROPSTREAM_PORT,
      portFlag: 'CROPSTREAM_PORT',
      advertise,
      security,
      threads,
      ...(config.CROPSTREAM_CELLS !== undefined && { cells: config.CROPSTREAM_CELLS }),
      transforms: (config.CROPSTREAM_TRANSFORMS ?? []).map((path) => resolve(path)),
      sources: (config.CROPSTREAM_SOURCES ?? []).map((path) => resolve(path)),
      decoder: config.CROPSTREAM_DECODER,
      limits: config.limits,
      chunkLimits: config.chunkLimits,
      grpc: config.grpc,
      dataLimits: config.dataLimits,
      dataCache: config.dataCache,
    });
    opened.push(() => cells.close(0));
    const certificates = security.tls && new ServerCertificates(security.tls, log);
    certificates?.observe(registry);
    const access = openAccess(security, { clock, log });
    opened.push(async () => access.close());
    const http = await startHttpServer({
      ...{ host, port: config.CROPSTREAM_HTTP_PORT, portFlag: 'CROPSTREAM_HTTP_PORT' },
      ...{ registry, log, certificates, access, ready: () => cells.ready(), limits: config.http },
    });
    shutdown.add('Redis', () => fleet.close());
    shutdown.add('HTTP', async () => {
      await http.close();
      access.close();
    });
    shutdown.add('cells', async () => {
      await cells.drain(graceMs);
      await cells.close(STREAMS_MS);
    });
    shutdown.listen();
    const addresses = cells.addresses().map(({ address }) => address);
    const fingerprint = await pixelFingerprint();
    log.info({ addresses, httpPort: http.port, threads, fingerprint }, 'waiting to be admitted');
    return { cells, host, httpPort: http.port, httpScheme: http.scheme, threads, fingerprint, log };
  } catch (error) {
    for (const close of opened.reverse()) await close();
    throw error;
  }
}
