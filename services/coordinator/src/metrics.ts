import { Nack_Reason } from '@cropstream/protocol';
import { DEFAULT_GRPC_LIMITS, exportLimits, type GrpcLimits } from '@cropstream/runtime';
import type { GrpcServer } from '@cropstream/runtime/grpc';
import type { Logger } from 'pino';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { CoordinatorObserver } from './coordinator.js';
import type { CoordinatorLimits } from './limits.js';

/** The coordinator's metrics and log lines, from what it reports. */
export function observe(registry: Registry, log: Logger, limits: CoordinatorLimits): CoordinatorObserver {
  const registers = [registry];
  const counter = (name: string, help: string) =>
    new Counter({ name: `cropstream_coordinator_${name}`, help, registers });
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `cropstream_coordinator_${name}`, help, registers });

  const scheduled = counter('chunks_scheduled_total', 'Chunk jobs put into the queue.');
  const announced = counter('chunks_announced_total', 'Ready chunks told to trainers.');
  const deaths = counter('worker_deaths_total', 'Chunks whose worker was gone before it made them.');
  const hedges = counter('hedges_total', 'Late chunks given to a second worker.');
  const hedgesWon = counter('hedges_won_total', 'Late chunks that the second worker made first.');
  const removed = counter('jobs_removed_total', 'Jobs taken back because nobody wanted them any more.');
  const failedPasses = counter('reconcile_failures_total', 'Passes of the reconcile loop that failed.');
  const attachments = gauge('attachments', 'Attached trainer processes.');
  const workers = gauge('workers', 'Workers that live.');
  const slots = gauge('worker_slots', 'Compute threads of the workers that live.');
  const nacks = new Counter({
    name: 'cropstream_coordinator_nacks_total',
    help: 'Announced chunks that trainers could not have, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const limit = new Gauge({
    name: 'cropstream_coordinator_limit',
    help: 'Configured limits, by name.',
    labelNames: ['limit'],
    registers,
  });
  for (const [name, value] of Object.entries(limits)) limit.set({ limit: name }, value);

  return {
    scheduled: (chunks) => scheduled.inc(chunks),
    announced: (chunks) => announced.inc(chunks),
    hedged: () => hedges.inc(),
    hedgeWon: () => hedgesWon.inc(),
    removed: (jobs) => removed.inc(jobs),
    workerDied() {
      deaths.inc();
      log.warn('a worker is gone before it made its chunk: it is made again');
    },
    attached(record) {
      attachments.inc();
      const { runName: run, consumer, rank, worldSize, nextStep, host, pid } = record;
      const trainer = `${host}:${pid}`;
      log.info({ run, consumer, rank, worldSize, nextStep, trainer }, 'a trainer attached');
    },
    detached({ runName: run, consumer, rank, nextStep }, error) {
      attachments.dec();
      const line = { run, consumer, rank, nextStep };
      if (error) log.warn({ ...line, code: error.code }, `a trainer's stream ended: ${error.problem}`);
      else log.info(line, 'a trainer left');
    },
    nacked: (reason) => nacks.inc({ reason: Nack_Reason[reason].toLowerCase() }),
    passFailed(error) {
      failedPasses.inc();
      log.error({ err: error }, 'a reconcile pass failed; the next one tries again');
    },
    fleet(living, threads) {
      workers.set(living);
      slots.set(threads);
    },
  };
}

/** The metrics of the gRPC port. */
export function observeConnections(
  registry: Registry,
  grpc: Pick<GrpcServer, 'connections'>,
  limits: Partial<GrpcLimits>,
): void {
  const registers = [registry];
  new Gauge({
    name: 'cropstream_coordinator_connections',
    help: 'Connections to the gRPC port.',
    registers,
    collect() {
      this.set(grpc.connections.open);
    },
  });
  new Counter({
    name: 'cropstream_coordinator_connections_cut_total',
    help: 'Connections that were cut because they were over a limit.',
    registers,
    collect() {
      this.reset();
      this.inc(grpc.connections.cut);
    },
  });
  const help = 'Configured limits of the gRPC port, by name.';
  exportLimits(registry, 'cropstream_grpc_limit', help, { ...DEFAULT_GRPC_LIMITS, ...limits });
}
