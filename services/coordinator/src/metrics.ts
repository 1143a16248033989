import { runKeyOf } from '@cropstream/broker';
import { Nack_Reason } from '@cropstream/protocol';
import { GRPC_LIMITS, type GrpcLimits, LimitMetrics, Outage, Series, VERSION } from '@cropstream/runtime';
import type { GrpcServer } from '@cropstream/runtime/grpc';
import type { Logger } from 'pino';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Attachment } from './attachment.js';
import { LIMITS } from './config.js';
import type { CoordinatorObserver, FleetState } from './coordinator.js';
import type { CoordinatorLimits } from './limits.js';

/** Seconds that a trainer waited for a batch: from none to a worker's death and beyond. */
const WAIT_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Seconds from asking for a chunk until it is ready: up to windows that are far ahead of their workers. */
const READY_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Seconds of a look at all windows: it is to stay far below a tick. */
const PASS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

export interface ObserveOptions {
  readonly registry: Registry;
  readonly log: Logger;
  readonly limits: CoordinatorLimits & GrpcLimits;
  /** Of its gRPC port; null while it has none. */
  readonly connections: () => GrpcServer['connections'] | null;
  /** The pixel fingerprint that it opens runs with. */
  readonly fingerprint: string;
}

/** The coordinator's metrics and log lines, from what it reports. */
export function observe(options: ObserveOptions): CoordinatorObserver {
  const { registry, log, limits, connections, fingerprint } = options;
  const registers = [registry];
  const named = (name: string) => `cropstream_coordinator_${name}`;
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name: named(name), help, labelNames, registers });
  const gauge = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge({ name: named(name), help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: named(name), help, buckets, registers });

  const scheduled = counter('chunks_scheduled_total', 'Chunk jobs put into the queue.');
  const announced = counter('chunks_announced_total', 'Ready chunks told to trainers.');
  const ready = histogram('chunk_ready_seconds', 'From asking for a chunk until it is ready.', READY_SECONDS);
  const deaths = counter('worker_deaths_total', 'Chunks whose worker was gone before it made them.');
  const hedges = counter('hedges_total', 'Late chunks given to a second worker.');
  const hedgesWon = counter('hedges_won_total', 'Late chunks that the second worker made first.');
  const removed = counter('jobs_removed_total', 'Jobs taken back because nobody wanted them any more.');
  const passes = histogram('pass_seconds', 'A pass of the reconcile loop over all runs.', PASS_SECONDS);
  const failedPasses = counter('pass_failures_total', 'Passes of the reconcile loop that failed.');
  const attachments = gauge('attachments', 'Trainer processes attached to this coordinator.');
  const failures = counter(
    'attachment_failures_total',
    "Trainers' streams that ended with an error, by code.",
    ['code'],
  );
  const nacks = counter('nacks_total', 'Announced chunks that trainers could not have, by reason.', [
    'reason',
  ]);

  const workers = gauge('workers', 'Workers that live: a process has one for each of its cells.');
  const processes = gauge('worker_processes', 'Processes of the workers that live.');
  const slots = gauge('worker_slots', 'Compute threads of the workers that live.');
  const desired = gauge('desired_workers', 'Worker processes that the trainers ask for, for an autoscaler.');
  const runs = gauge('runs', 'Open runs.');
  const jobs = gauge('queue_jobs', 'Chunk jobs over all queues, by state.', ['state']);

  const run = new Series({ registry, labels: ['owner', 'run'], max: limits.maxMeteredRuns });
  const runSamples = run.counter(named('run_samples_total'), 'Samples that trainers here have taken.');
  const runWaited = run.counter(
    named('run_waited_seconds_total'),
    "Time that trainers here waited for data, of their steps' time.",
  );
  const runElapsed = run.counter(
    named('run_step_seconds_total'),
    "Trainers' time over all steps taken here.",
  );
  const runWaits = run.histogram(
    named('run_step_wait_seconds'),
    'Time that a trainer here waited for the batch of a step.',
    WAIT_SECONDS,
  );
  const runAttachments = run.gauge(named('run_attachments'), 'Attached trainer processes.');
  const runDemand = run.gauge(
    named('run_demand_samples_per_second'),
    'What its trainers would take if they never waited.',
  );
  const runWorkers = run.gauge(named('run_workers'), 'Workers that live and have its pixel fingerprint.');

  gauge('info', 'The coordinator, by its version and pixel fingerprint.', ['version', 'fingerprint']).set(
    { version: VERSION, fingerprint },
    1,
  );
  const limit = new LimitMetrics<CoordinatorLimits & GrpcLimits>(registry, 'coordinator', {
    ...LIMITS,
    ...GRPC_LIMITS,
  });
  limit.set(limits);
  limit.watch(async () => ({ maxConnections: connections()?.open ?? 0 }));
  const cut: Counter = new Counter({
    name: named('connections_cut_total'),
    help: 'Connections that were cut because they were over a limit.',
    registers,
    collect() {
      cut.reset();
      cut.inc(connections()?.cut ?? 0);
    },
  });

  const outage = new Outage(log, 'passes of the reconcile loop fail; each next one tries again');

  function tellRuns(fleet: FleetState): void {
    const open = fleet.runs.map(({ owner, name, digest, fingerprint: pinned }) => ({
      ...{ owner, run: name },
      attached: (fleet.attachments.get(runKeyOf({ owner, digest })) ?? []).filter(
        ({ runName }) => runName === name,
      ),
      able: fleet.workers.filter((worker) => worker.fingerprint === pinned).length,
    }));
    run.retain(open);
    for (const each of [runAttachments, runDemand, runWorkers]) each.reset();
    for (const { attached, able, ...names } of open) {
      const labels = run.of(names);
      runAttachments.inc(labels, attached.length);
      runDemand.inc(
        labels,
        attached.reduce((sum, { demand }) => sum + (demand ?? 0), 0),
      );
      runWorkers.inc(labels, able);
    }
  }

  return {
    scheduled: (chunks) => scheduled.inc(chunks),
    announced: (chunks) => announced.inc(chunks),
    ready: (seconds) => ready.observe(seconds),
    hedged: () => hedges.inc(),
    hedgeWon: () => hedgesWon.inc(),
    removed: (count) => removed.inc(count),
    workerDied({ owner, name }, { epoch, step, name: chunk }, { attempt, takenBy: worker }) {
      deaths.inc();
      log.warn(
        { owner, run: name, epoch, step, worker, chunk, attempt },
        'a worker is gone before it made its chunk: it is made again',
      );
    },
    attached(attachment) {
      attachments.inc();
      log.info(trainerOf(attachment), 'a trainer attached');
    },
    detached(attachment, error) {
      attachments.dec();
      const trainer = trainerOf(attachment);
      if (!error) {
        log.info(trainer, 'a trainer left');
        return;
      }
      failures.inc({ code: error.code });
      log.warn({ ...trainer, code: error.code }, `a trainer's stream ended: ${error.problem}`);
    },
    nacked: (reason) => nacks.inc({ reason: Nack_Reason[reason].toLowerCase() }),
    progressed({ run: { owner, name } }, { steps, samples, waitedSeconds, elapsedSeconds }) {
      if (steps === 0) return;
      const labels = run.of({ owner, run: name });
      runSamples.inc(labels, samples);
      runWaited.inc(labels, waitedSeconds);
      runElapsed.inc(labels, elapsedSeconds);
      for (let step = 0; step < steps; step++) runWaits.observe(labels, waitedSeconds / steps);
    },
    passed(seconds) {
      passes.observe(seconds);
      outage.succeeded();
    },
    passFailed(error) {
      failedPasses.inc();
      outage.failed(error);
    },
    fleet(fleet, used) {
      workers.set(fleet.workers.length);
      processes.set(new Set(fleet.workers.map(({ process }) => process)).size);
      slots.set(fleet.workers.reduce((sum, worker) => sum + worker.slots, 0));
      desired.set(fleet.desiredWorkers);
      runs.set(fleet.runs.length);
      limit.use(used);
      tellRuns(fleet);
    },
    queued({ waiting, active }) {
      jobs.set({ state: 'waiting' }, waiting);
      jobs.set({ state: 'active' }, active);
    },
  };
}

/** What every line on a trainer says. */
function trainerOf({ run: { owner }, record, epoch }: Attachment) {
  const { runName: run, consumer, rank, worldSize, nextStep: step, host, pid } = record;
  return { owner, run, consumer, rank, worldSize, epoch, step, trainer: `${host}:${pid}` };
}
