import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type ChunkSpan, chunkName, jobId, MemoryBroker, MemoryStore, runKeyOf } from '@cropstream/broker';
import { exampleAttachment } from '@cropstream/broker/contract';
import { ChunkMaker } from '@cropstream/chunks';
import { startCells, type WorkerEvent, workerMetrics } from '@cropstream/crop-worker';
import { locationOf } from '@cropstream/datasets';
import { type ChunkHeader, CLIENT_OPTIONS, WorkerClient } from '@cropstream/protocol';
import { createRegistry, OPEN, systemClock } from '@cropstream/runtime';
import { runDigest } from '@cropstream/spec';
import { credentials } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { folderOf, goodFiles, runOver } from '../../../../packages/chunks/test-support/dataset.js';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const FINGERPRINT = 'fp';

function fetchHeader(address: string, workerId: string, digest: string, span: ChunkSpan) {
  const client = new WorkerClient(address, credentials.createInsecure(), CLIENT_OPTIONS);
  const chunk = {
    runDigest: digest,
    epoch: BigInt(span.epoch),
    first: BigInt(span.first),
    last: BigInt(span.last),
  };
  return new Promise<{ header: ChunkHeader; bytes: number }>((resolve, reject) => {
    let header: ChunkHeader | undefined;
    let bytes = 0;
    client
      .fetchChunk({ chunk, workerId, attempt: 1, offset: 0n, process: 'me', owner: '' })
      .on('data', (frame) => {
        header ??= frame.header;
        bytes += frame.data.length;
      })
      .on('end', () => resolve({ header: header!, bytes }))
      .on('error', reject);
  }).finally(() => client.close());
}

it('makes and serves the same chunks in any cell, PNGs decoded on the main thread, then ends in order', async () => {
  const clock = systemClock;
  const store = new MemoryStore({ clock });
  const broker = new MemoryBroker({ clock });
  const run = await runOver(folderOf(await goodFiles(8)));
  const digest = runDigest(run.spec, run.manifest.digest);
  const key = runKeyOf({ owner: 'default', digest });
  await store.putManifest(run.manifest.digest, run.manifest.encode());
  await store.openRun({
    owner: 'default',
    name: 'test',
    digest,
    specJson: JSON.stringify(run.spec),
    manifestDigest: run.manifest.digest,
    chunkSize: 4,
    fingerprint: FINGERPRINT,
    openedAt: 0,
    state: 'active' as const,
  });
  const window = { worldSize: 1, nextStep: 0, windowEnd: 2 };
  await store.attach(exampleAttachment({ runKey: key, runName: 'test', ...window }), 600_000, false);

  const events: WorkerEvent[] = [];
  const registry = createRegistry();
  const metrics = workerMetrics(registry, async () => FINGERPRINT);
  const cells = await startCells({
    store,
    broker,
    log: silent,
    emit: (cell) => (event) => {
      events.push(event);
      metrics(cell)(event);
    },
    fingerprint: async () => FINGERPRINT,
    host: '127.0.0.1',
    security: OPEN,
    port: 0,
    threads: 2,
    cells: 2,
    limits: { outboxBytes: 8 << 20, takeMs: 100 },
    chunkLimits: { maxChunkBytes: 1 << 20 },
  });
  try {
    expect(new Set(cells.addresses().map(({ address }) => address)).size).toBe(2);
    expect(await cells.ready()).toBe(false);
    for (const { id } of cells.addresses()) await store.judge(id, { admitted: true }, 600_000);
    while (!(await cells.ready())) await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await store.workers()).map(({ id }) => id).sort()).toEqual(
      cells
        .addresses()
        .map(({ id }) => id)
        .sort(),
    );
    expect(new Set((await store.workers()).map((worker) => worker.process)).size).toBe(1);
    const spans = [0, 4].map((first) => ({ epoch: 0, first, last: first + 4 }));
    for (const span of spans) {
      await store.claim(key, chunkName(span), 10);
      const indices = [0, 1, 2, 3].map((i) => span.first + i);
      const id = jobId(key, chunkName(span), 1);
      await broker.add(FINGERPRINT, [
        {
          id,
          runKey: key,
          ...span,
          attempt: 1,
          indices,
          urgent: false,
          url: locationOf(run.spec.dataset),
        },
      ]);
    }
    const maker = await ChunkMaker.create({ ...run, threads: 1 });
    for (const span of spans) {
      let [state] = await store.chunkStates(key, [chunkName(span)]);
      while (state?.state !== 'ready') {
        await new Promise((resolve) => setTimeout(resolve, 20));
        [state] = await store.chunkStates(key, [chunkName(span)]);
      }
      const { address, workerId } = state.ready;
      const { header, bytes } = await fetchHeader(address, workerId, digest, span);
      const expected = await maker.make({ epoch: 0, indices: [0, 1, 2, 3].map((i) => span.first + i) });
      expect(header.crc32).toBe(expected.crc32);
      expect(bytes).toBe(expected.payloadBytes);
    }
    await maker.close();
    await cells.drain(30_000);
    expect(events.filter(({ kind }) => kind === 'made')).toHaveLength(2);
    expect(await registry.metrics()).toMatch(/^cropstream_worker_chunks_made_total 2$/m);
  } finally {
    await cells.close(1_000);
  }
  expect(await store.workers()).toEqual([]);
});

it('says why a cell cannot start, and leaves nothing behind', async () => {
  const clock = systemClock;
  const starting = startCells({
    store: new MemoryStore({ clock }),
    broker: new MemoryBroker({ clock }),
    log: silent,
    emit: () => () => {},
    fingerprint: async () => FINGERPRINT,
    host: '127.0.0.1',
    security: OPEN,
    port: 0,
    threads: 1,
    limits: { outboxBytes: 1_000 },
  });
  await expect(starting).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
});

it('lets the process end by itself once closed', async () => {
  const script = fileURLToPath(new URL('../../test-support/closing-cells.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script]);
  expect(stdout).toContain('ended');
});
