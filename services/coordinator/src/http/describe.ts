import type { Rank, Run, RunDetail, Worker } from '@cropstream/api';
import {
  type AttachmentRecord,
  parseRunKey,
  type RunKey,
  type Store,
  type WorkerRecord,
} from '@cropstream/broker';
import { locate } from '@cropstream/schedule';
import type { RunInView } from './whose.js';

/** Records as the API's resources. */

export const isoTime = (ms: number): string => new Date(ms).toISOString();

/** What changes of a run while it is drawn from. */
export interface RunProgress {
  readonly attachments: readonly AttachmentRecord[];
  readonly substitutions: number;
  readonly failures: number;
}

export async function progressOf(store: Store, { run, record }: RunInView): Promise<RunProgress> {
  const [attachments, substitutions, failures] = await Promise.all([
    store.attachments(run.key),
    store.reports(run.key, 'substitutions', { most: 0 }),
    store.reports(run.key, 'failures', { most: 0 }),
  ]);
  return {
    attachments: attachments.filter(({ runName }) => runName === record.name),
    substitutions: substitutions.total,
    failures: failures.total,
  };
}

export function runResource({ run, record }: RunInView, progress: RunProgress): Run {
  const { spec, info, plan } = run;
  const steps = progress.attachments.map(({ nextStep }) => nextStep);
  return {
    name: record.name,
    owner: record.owner,
    state: record.state,
    digest: record.digest,
    manifest_digest: record.manifestDigest,
    fingerprint: record.fingerprint,
    opened_at: isoTime(record.openedAt),
    recipe: spec.recipe,
    seed: spec.seed,
    dataset: { source: spec.dataset.source, url: run.url },
    samples: plan.samples,
    global_batch_size: spec.global_batch_size,
    drop_last: spec.drop_last,
    steps_per_epoch: plan.stepsPerEpoch,
    chunk_size: record.chunkSize,
    sample_bytes: run.sampleBytes,
    views: info.views.map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] })),
    ranks: progress.attachments.length,
    next_step: steps.length === 0 ? null : Math.min(...steps),
    latest_step: steps.some((step) => step > 0) ? Math.max(...steps) - 1 : null,
    substitutions_total: progress.substitutions,
    errors_total: progress.failures,
  };
}

export function runDetail(seen: RunInView, progress: RunProgress): RunDetail {
  const { info } = seen.run;
  return {
    ...runResource(seen, progress),
    spec: JSON.parse(info.specJson),
    classes: [...info.classes],
    fields: info.fields.map(({ name, dtype }) => ({ name, dtype })),
  };
}

export function rankResource({ run }: RunInView, attachment: AttachmentRecord): Rank {
  const { runName, consumer, rank, worldSize, nextStep, windowEnd, host, pid, coordinator } = attachment;
  const { epoch, step } = locate(run.plan, nextStep);
  return {
    run: runName,
    consumer,
    rank,
    world_size: worldSize,
    next_step: nextStep,
    epoch,
    step_in_epoch: step,
    window_end: windowEnd,
    credit_chunks: attachment.credits,
    waited_seconds: attachment.waitedSeconds,
    elapsed_seconds: attachment.elapsedSeconds,
    demand_samples_per_second: attachment.demand,
    trainer: `${host}:${pid}`,
    coordinator,
  };
}

/** @param keys of the runs that whoever asks may see */
export function workerResource(worker: WorkerRecord, keys: ReadonlySet<RunKey>): Worker {
  const { made } = worker;
  return {
    id: worker.id,
    address: worker.address,
    tls_name: worker.tlsName,
    process: worker.process,
    version: worker.version,
    fingerprint: worker.fingerprint,
    slots: worker.slots,
    outbox_bytes: worker.outboxBytes,
    outbox_limit_bytes: worker.outboxLimit,
    samples_total: made.samples,
    chunks_total: made.chunks,
    bytes_total: made.bytes,
    busy_seconds_total: made.busySeconds,
    runs: Object.entries(made.runs)
      .filter(([key]) => keys.has(key))
      .map(([key, { samples }]) => ({ run_digest: parseRunKey(key).digest, samples_total: samples })),
  };
}

/** Ranks in the order of their jobs. */
export function ranksOf(seen: RunInView, { attachments }: RunProgress): Rank[] {
  return attachments.map((attachment) => rankResource(seen, attachment)).sort(byKey);
}

const byKey = (a: Rank, b: Rank) => (rankKey(a) < rankKey(b) ? -1 : 1);

/** Sorts ranks of a job by their numbers. */
export const rankKey = ({ consumer, rank }: Rank) => `${consumer} ${String(rank).padStart(8, '0')}`;
