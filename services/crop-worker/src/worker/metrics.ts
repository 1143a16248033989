import type { StorageCounts } from '@cropstream/datasets';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Emit } from './events.js';

/** Seconds to make a chunk: from tiny images to 64 large ones on a busy machine. */
const CHUNK_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * The metrics of a process's workers, `cropstream_worker_...`. Returns what each worker is to emit to; `cell`
 * tells its outbox from the others'.
 */
export function workerMetrics(registry: Registry): (cell: number) => Emit {
  const registers = [registry];
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name: `cropstream_worker_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `cropstream_worker_${name}`, help, labelNames: ['cell'], registers });

  const chunks = counter('chunks_made_total', 'Chunks made.');
  const samples = counter('samples_made_total', 'Samples made.');
  const bytes = counter('chunk_bytes_total', 'Payload bytes of the chunks made.');
  const stages = counter('stage_seconds_total', 'Compute seconds over all threads, by stage.', ['stage']);
  const chunkSeconds = new Histogram({
    name: 'cropstream_worker_chunk_seconds',
    help: 'Seconds from the start of reading a chunk to its checksum.',
    buckets: CHUNK_SECONDS,
    registers,
  });
  const substitutions = counter(
    'substitutions_total',
    'Bad samples that another stood in for, by error code.',
    ['code'],
  );
  const failures = counter('chunk_failures_total', 'Attempts at a chunk that failed, by error code.', [
    'code',
  ]);
  const skipped = counter('jobs_skipped_total', 'Jobs that ended without work, by reason.', ['reason']);
  const dropped = counter('chunks_dropped_total', 'Chunks dropped from the outbox, by reason.', ['reason']);
  const fetches = counter('fetches_total', 'Ended FetchChunk streams, by outcome.', ['outcome']);
  const fetched = counter('fetch_bytes_total', 'Payload bytes sent to trainers.');
  const outboxBytes = gauge('outbox_bytes', 'Bytes of chunks held, being made and reserved for.');
  const outboxLimit = gauge('outbox_limit_bytes', 'The most bytes that the outbox may hold.');
  const outboxChunks = gauge('outbox_chunks', 'Chunks held.');
  const connections = gauge('connections', 'Connections to the gRPC port.');
  const cut = counter('connections_cut_total', 'Connections that were cut because they were over a limit.');
  const shardBytes = gauge('shard_memory_bytes', 'Bytes of tables and contents of shards that are kept.');
  const shardLimit = gauge('shard_memory_limit_bytes', 'The most of them, one larger content excepted.');

  const storage = {
    requests: counter('storage_requests_total', 'Requests to object stores and web servers, all attempts.'),
    retries: counter('storage_retries_total', 'Requests to them that failed and were made again.'),
    readBytes: counter('storage_read_bytes_total', 'Bytes of samples read from where they lie.'),
    cacheHits: counter('cache_hits_total', 'Reads of remote data that the disk cache answered.'),
    cacheHitBytes: counter('cache_hit_bytes_total', 'Bytes that the disk cache answered with.'),
    cacheMisses: counter('cache_misses_total', 'Reads of remote data that the disk cache did not have.'),
    cacheWrittenBytes: counter('cache_written_bytes_total', 'Bytes put into the disk cache.'),
    cacheEvictions: counter('cache_evictions_total', 'Files removed from the disk cache for room.'),
    cacheDamaged: counter('cache_damaged_total', 'Files of the disk cache that failed their check.'),
  } satisfies Record<keyof StorageCounts, Counter>;

  return (cell) => (event) => {
    switch (event.kind) {
      case 'made':
        chunks.inc();
        samples.inc(event.samples);
        bytes.inc(event.bytes);
        chunkSeconds.observe(event.seconds);
        for (const [stage, ms] of Object.entries(event.stages)) stages.inc({ stage }, ms / 1000);
        for (const code of event.substituted) substitutions.inc({ code });
        break;
      case 'failed':
        failures.inc({ code: event.code });
        break;
      case 'skipped':
        skipped.inc({ reason: event.reason });
        break;
      case 'dropped':
        dropped.inc({ reason: event.reason });
        break;
      case 'fetched':
        fetches.inc({ outcome: event.outcome });
        fetched.inc(event.bytes);
        break;
      case 'outbox':
        outboxBytes.set({ cell }, event.usedBytes);
        outboxLimit.set({ cell }, event.limitBytes);
        outboxChunks.set({ cell }, event.chunks);
        break;
      case 'connections':
        connections.set({ cell }, event.open);
        cut.inc(event.cut);
        break;
      case 'storage':
        for (const name of Object.keys(storage) as (keyof StorageCounts)[]) {
          storage[name].inc(event.since[name]);
        }
        break;
      case 'shard-memory':
        shardBytes.set({ cell }, event.usedBytes);
        shardLimit.set({ cell }, event.limitBytes);
        break;
    }
  };
}
