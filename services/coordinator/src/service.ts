import type { TransformRegistry } from '@cropstream/augment';
import type { Broker, Store } from '@cropstream/broker';
import type { SourceRegistry } from '@cropstream/datasets';
import {
  CoordinatorService as coordinatorDefinition,
  reflectionPackage,
  SERVER_OPTIONS,
  toStatus,
} from '@cropstream/protocol';
import {
  type Access,
  type ClientSecurity,
  type Clock,
  DEFAULT_GRPC_LIMITS,
  type GrpcLimits,
  openAccess,
  type Randomness,
  requireFreePort,
  ServerCertificates,
  type ServerSecurity,
  type Tracer,
} from '@cropstream/runtime';
import { GrpcServer } from '@cropstream/runtime/grpc';
import { GrpcAccess } from '@cropstream/runtime/grpc-access';
import { type HttpLimits, type HttpServer, startHttpServer } from '@cropstream/runtime/http';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { Coordinator } from './coordinator.js';
import { dialBy, Gate } from './gate.js';
import { COORDINATOR_ROLES, coordinatorHandlers } from './grpc-service.js';
import { registerApi } from './http/api.js';
import type { ApiContext } from './http/context.js';
import { dashboardRoutes } from './http/dashboard.js';
import { type CoordinatorLimits, DEFAULT_LIMITS } from './limits.js';
import { observe } from './metrics.js';
import { openRelay } from './relay/relay.js';
import { RunCatalog } from './runs.js';
import { Studio } from './studio/studio.js';

export interface CoordinatorServiceOptions {
  readonly store: Store;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly log: Logger;
  readonly registry: Registry;
  readonly transforms: TransformRegistry;
  /** @default those built in */
  readonly sources?: SourceRegistry | undefined;
  /** ES modules that those were loaded from, for the process that makes previews. @default none */
  readonly modules?: { readonly transforms: readonly string[]; readonly sources: readonly string[] };
  readonly fingerprint: () => Promise<string>;
  readonly host: string;
  readonly port: number;
  /** Null: no HTTP. */
  readonly httpPort: number | null;
  /** What sets the ports, for the error that names a free one. @default the flags of `serve` */
  readonly flags?: { readonly port: string; readonly httpPort: string };
  readonly limits?: Partial<CoordinatorLimits>;
  /** Limits of the gRPC port. @default DEFAULT_GRPC_LIMITS */
  readonly grpc?: Partial<GrpcLimits>;
  /** Limits of the HTTP port. @default DEFAULT_HTTP_LIMITS */
  readonly http?: Partial<HttpLimits>;
  readonly security: ServerSecurity;
  /** Null: nothing is traced. */
  readonly tracer: Tracer | null;
  /** How it dials workers. */
  readonly peers: ClientSecurity;
}

const FLAGS = { port: '--port', httpPort: '--http-port' };

export interface CoordinatorService {
  readonly port: number;
  readonly httpPort: number | null;
  readonly httpScheme: HttpServer['scheme'];
  /** Ends attachments, then calls under way within `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** A coordinator that does not listen yet: runs opened now are there for the first trainer. */
export interface PreparedCoordinator {
  readonly catalog: RunCatalog;
  listen(): Promise<CoordinatorService>;
  /** Where it is not to listen after all. */
  close(): void;
}

/** A coordinator that listens: gRPC for trainers, HTTP for probes and metrics. */
export async function startCoordinator(options: CoordinatorServiceOptions): Promise<CoordinatorService> {
  return (await prepareCoordinator(options)).listen();
}

/**
 * The first half of `startCoordinator`: its ports are free.
 *
 * @throws PORT_IN_USE, SPEC_INVALID for a host that is no address of this machine
 */
export async function prepareCoordinator(options: CoordinatorServiceOptions): Promise<PreparedCoordinator> {
  const { store, transforms, sources, fingerprint, clock, log, host, port, httpPort } = options;
  const flags = options.flags ?? FLAGS;
  await requireFreePort(host, port, flags.port);
  if (httpPort !== null) await requireFreePort(host, httpPort, flags.httpPort);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const access = openAccess(options.security, { clock, log });
  const catalog = new RunCatalog({
    ...{ store, transforms, sources, fingerprint, limits },
    ownerLimits: (owner) => access.limitsOf(owner),
    wall: () => clock.wall(),
    unusable: ({ name: run }, err) => log.error({ err, run }, 'an open run cannot be served here'),
  });
  return {
    catalog,
    listen: () => listen(options, { flags, limits, catalog, access }),
    close: () => access.close(),
  };
}

interface Prepared {
  readonly flags: typeof FLAGS;
  readonly limits: CoordinatorLimits;
  readonly catalog: RunCatalog;
  readonly access: Access;
}

async function listen(
  options: CoordinatorServiceOptions,
  { flags, limits, catalog, access }: Prepared,
): Promise<CoordinatorService> {
  const { store, broker, clock, host, port, httpPort, registry, log } = options;
  const fingerprint = await options.fingerprint();
  let grpc: GrpcServer | null = null;
  const observer = observe({
    ...{ registry, log, fingerprint, connections: () => grpc?.connections ?? null },
    limits: { ...limits, ...DEFAULT_GRPC_LIMITS, ...options.grpc },
  });
  const id = options.randomness.id();
  const { tls } = options.security;
  const certificates = tls === null ? null : new ServerCertificates(tls, log);
  certificates?.observe(registry);
  const ownerLimits = (owner: string) => access.limitsOf(owner);
  const { tracer } = options;
  const coordinator = new Coordinator({
    ...{ id, catalog, store, broker, clock, limits, ownerLimits, observer, tracer },
  });
  const peers = new GrpcAccess(options.peers);
  const find = (workerId: string) => coordinator.living.find(workerId);
  const relay = openRelay({ find, peers, clock, limits, registry });
  const server = await GrpcServer.listen({
    host,
    port,
    portFlag: flags.port,
    channel: SERVER_OPTIONS,
    certificates,
    access,
    limits: options.grpc ?? {},
    clock,
    toStatus,
    services: {
      'cropstream.v1.Coordinator': {
        definition: coordinatorDefinition,
        implementation: coordinatorHandlers(catalog, coordinator),
        roles: COORDINATOR_ROLES,
      },
      'cropstream.v1.Worker': relay.service,
    },
    reflection: reflectionPackage,
  }).catch(async (error) => {
    access.close();
    await coordinator.stop();
    throw error;
  });
  grpc = server;
  const gate = new Gate({ store, clock, log, dial: dialBy(peers) });
  const ready = async () => gate.admitted(await store.workers()).length > 0;
  const closeGrpc = async (graceMs: number) => {
    server.notServing();
    gate.stop();
    await coordinator.stop();
    await server.stop(graceMs);
    access.close();
    relay.close();
  };
  const studio = new Studio({
    settings: {
      ...{ transforms: [], sources: [], ...options.modules },
      ...{ maxBatchBytes: limits.batchBytes, maxPixels: limits.previewPixels },
    },
    needs: {
      // The store's are in memory that threads share, which does not cross to another process.
      manifest: async (digest) => {
        const bytes = await store.manifest(digest);
        return bytes && new Uint8Array(bytes);
      },
    },
    ...{ limits, clock, log },
  });
  const api: ApiContext = {
    ...{ id, catalog, store, broker, clock, access, log, registry, limits, studio },
    ...{
      transforms: options.transforms,
      sources: options.sources,
      desiredWorkers: () => coordinator.fleet?.desiredWorkers ?? null,
    },
  };
  const http =
    httpPort === null
      ? null
      : await startHttpServer({
          ...{ host, port: httpPort, portFlag: flags.httpPort },
          ...{ registry, log, certificates, access, ready },
          ...(options.http !== undefined && { limits: options.http }),
          plugin: async (app) => {
            await registerApi(app, api);
            await app.register(dashboardRoutes);
          },
        }).catch(async (error) => {
          studio.close();
          await closeGrpc(0);
          throw error;
        });
  return {
    port: server.port,
    httpPort: http?.port ?? null,
    httpScheme: http?.scheme ?? 'http',
    async close(graceMs) {
      await closeGrpc(graceMs);
      studio.close();
      await http?.close();
    },
  };
}
