import type { TransformRegistry } from '@cropstream/augment';
import type { Broker, Store } from '@cropstream/broker';
import type { IndexProgress } from '@cropstream/datasets';
import { CoordinatorService as coordinatorDefinition, SERVER_OPTIONS } from '@cropstream/protocol';
import { reflectionPackage } from '@cropstream/protocol/reflection';
import type { Clock, Randomness } from '@cropstream/runtime';
import { GrpcServer } from '@cropstream/runtime/grpc';
import { startHttpServer } from '@cropstream/runtime/http';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { Coordinator } from './coordinator.js';
import { dialWorker, Gate } from './gate.js';
import { coordinatorHandlers } from './grpc-service.js';
import { type CoordinatorLimits, DEFAULT_LIMITS } from './limits.js';
import { observe } from './metrics.js';
import { type OpenedRun, RunCatalog } from './runs.js';

export interface CoordinatorServiceOptions {
  readonly store: Store;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly log: Logger;
  readonly registry: Registry;
  readonly transforms: TransformRegistry;
  readonly fingerprint: () => Promise<string>;
  readonly host: string;
  readonly port: number;
  /** Null: no HTTP. */
  readonly httpPort: number | null;
  /** What sets the ports, for the error that names a free one. @default the flags of `serve` */
  readonly flags?: { readonly port: string; readonly httpPort: string };
  readonly limits?: Partial<CoordinatorLimits>;
}

const FLAGS = { port: '--port', httpPort: '--http-port' };

export interface CoordinatorService {
  readonly port: number;
  readonly httpPort: number | null;
  /** Opens a run from a spec, as OpenRun does. */
  openRun(spec: unknown, report?: (progress: IndexProgress) => void): Promise<OpenedRun>;
  /** Ends attachments, then calls under way within `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** A coordinator that listens: gRPC for trainers, HTTP for probes and metrics. */
export async function startCoordinator(options: CoordinatorServiceOptions): Promise<CoordinatorService> {
  const { store, broker, clock, transforms, fingerprint, host, port, httpPort, registry, log } = options;
  const { port: portFlag, httpPort: httpPortFlag } = options.flags ?? FLAGS;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const catalog = new RunCatalog({ store, transforms, fingerprint, limits, wall: () => clock.wall() });
  const observer = observe(registry, log, limits);
  const id = options.randomness.id();
  const coordinator = new Coordinator({ id, catalog, store, broker, clock, limits, observer });
  const grpc = await GrpcServer.listen({
    host,
    port,
    portFlag,
    channel: SERVER_OPTIONS,
    services: {
      'cropstream.v1.Coordinator': {
        definition: coordinatorDefinition,
        implementation: coordinatorHandlers(catalog, coordinator),
      },
    },
    reflection: reflectionPackage(),
  }).catch(async (error) => {
    await coordinator.stop();
    throw error;
  });
  const gate = new Gate({ store, clock, log, dial: dialWorker });
  const ready = async () => gate.admitted(await store.workers()).length > 0;
  const closeGrpc = async (graceMs: number) => {
    grpc.notServing();
    gate.stop();
    await coordinator.stop();
    await grpc.stop(graceMs);
  };
  const http =
    httpPort === null
      ? null
      : await startHttpServer({ host, port: httpPort, portFlag: httpPortFlag, registry, ready }).catch(
          async (error) => {
            await closeGrpc(0);
            throw error;
          },
        );
  return {
    port: grpc.port,
    httpPort: http?.port ?? null,
    openRun: (spec, report) => catalog.open(spec, report),
    async close(graceMs) {
      await closeGrpc(graceMs);
      await http?.close();
    },
  };
}
