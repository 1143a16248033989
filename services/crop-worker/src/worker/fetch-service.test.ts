import {
  type ChunkHeader,
  CLIENT_OPTIONS,
  FRAME_BYTES,
  fromStatus,
  reflectionPackage,
  SERVER_OPTIONS,
  toStatus,
  WorkerClient,
  workerService,
} from '@cropstream/protocol';
import { OPEN_ACCESS, type Principal, systemClock } from '@cropstream/runtime';
import { GrpcServer, principalOf } from '@cropstream/runtime/grpc';
import { credentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { fakeChunk, type Released } from '../../test-support/chunks.js';
import type { WorkerEvent } from './events.js';
import { fetchService } from './fetch-service.js';
import { Outbox } from './outbox.js';

const DIGEST = 'a'.repeat(64);
const RUN = `default.${DIGEST}`;
const BYTES = 5 * FRAME_BYTES + 12_345;
const LIMITS = { maxStreams: 8, stalledMs: 30_000, streamMs: 60_000 };

/** Frames are sent as they are made, without gRPC's copies of them. */
const unused = () => {
  throw new Error('a frame was serialised by grpc-js');
};

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A worker's server that holds the chunk 0-0-4, and a client of it. */
async function serve(limits: Partial<typeof LIMITS> = {}, bytes = BYTES, access = OPEN_ACCESS) {
  const released: Released = new Map();
  const made = fakeChunk(bytes, released);
  const outbox = new Outbox({ limitBytes: 2 * bytes, maxChunkBytes: bytes, onEvict() {} });
  const held = { runKey: RUN, chunk: '0-0-4', attempt: 3, made };
  (await outbox.reserve(bytes, new AbortController().signal)).fill(held);
  const events: WorkerEvent[] = [];
  const { server: implementation } = fetchService({
    workerId: 'me',
    outbox,
    clock: systemClock,
    limits: { ...LIMITS, ...limits },
    emit: (event) => events.push(event),
    principalOf,
  });
  const server = await GrpcServer.listen({
    host: '127.0.0.1',
    port: 0,
    portFlag: '--port',
    channel: SERVER_OPTIONS,
    certificates: null,
    access,
    toStatus,
    services: {
      'cropstream.v1.Worker': {
        definition: { fetchChunk: { ...workerService.fetchChunk, responseSerialize: unused } },
        implementation: { ...implementation },
        roles: { fetchChunk: ['trainer', 'operator', 'service'] },
      },
    },
    reflection: reflectionPackage,
  });
  closers.push(() => server.stop(0));
  const client = new WorkerClient(`127.0.0.1:${server.port}`, credentials.createInsecure(), CLIENT_OPTIONS);
  closers.push(() => client.close());
  return { client, outbox, held, made, events, released };
}

const request = (changes: { workerId?: string; first?: bigint; offset?: number; whole?: boolean } = {}) => ({
  chunk:
    changes.whole === false
      ? undefined
      : { runDigest: DIGEST, epoch: 0n, first: changes.first ?? 0n, last: 4n },
  workerId: changes.workerId ?? 'me',
  attempt: 3,
  offset: BigInt(changes.offset ?? 0),
  process: 'trainer',
  owner: '',
});

interface Fetched {
  readonly header: ChunkHeader | undefined;
  readonly data: Buffer;
  readonly offsets: number[];
}

function fetch(client: WorkerClient, what = request()): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    let header: ChunkHeader | undefined;
    const parts: Uint8Array[] = [];
    const offsets: number[] = [];
    client
      .fetchChunk(what)
      .on('data', (frame) => {
        header ??= frame.header;
        offsets.push(Number(frame.offset));
        parts.push(frame.data);
      })
      .on('end', () => resolve({ header, data: Buffer.concat(parts), offsets }))
      .on('error', (error) => reject(fromStatus(error, 'worker')));
  });
}

const eventually = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('FetchChunk', () => {
  it('streams a chunk in frames, its header first', async () => {
    const { client, made, events, outbox } = await serve();
    const { header, data, offsets } = await fetch(client);
    expect(header).toMatchObject({
      chunk: { runDigest: DIGEST, epoch: 0n, first: 0n, last: 4n },
      attempt: 3,
      workerId: 'me',
      samples: 1,
      payloadBytes: BigInt(BYTES),
      columns: [{ name: 'view', dtype: 'uint8', bytes: BigInt(BYTES) }],
    });
    expect(data.equals(made.payload)).toBe(true);
    expect(offsets).toEqual(Array.from({ length: 6 }, (_, i) => i * FRAME_BYTES));
    await eventually(() => events.length > 0);
    expect(events).toEqual([{ kind: 'fetched', bytes: BYTES, outcome: 'whole' }]);
    expect(outbox.hasUndelivered).toBe(false);
  });

  it('serves a chunk to its owner alone, and to a service on behalf of its owner', async () => {
    let principal: Principal = { name: 'ours', owner: 'default', role: 'trainer' };
    const { client } = await serve({}, BYTES, { ...OPEN_ACCESS, authenticate: () => principal });
    const asked = (owner: string) => fetch(client, { ...request(), owner });
    expect((await asked('')).header?.payloadBytes).toBe(BigInt(BYTES));
    // Who belongs to an owner cannot speak for another.
    expect((await asked('another')).header?.payloadBytes).toBe(BigInt(BYTES));
    principal = { name: 'theirs', owner: 'another', role: 'operator' };
    for (const owner of ['', 'default', '*']) {
      await expect(asked(owner)).rejects.toMatchObject({ code: 'CHUNK_NOT_FOUND' });
    }
    principal = { name: 'fleet', owner: '*', role: 'service' };
    expect((await asked('default')).header?.payloadBytes).toBe(BigInt(BYTES));
    await expect(asked('another')).rejects.toMatchObject({ code: 'CHUNK_NOT_FOUND' });
  });

  it.each([1, FRAME_BYTES, 2 * FRAME_BYTES + 7, BYTES - 1, BYTES])(
    'goes on from offset %i',
    async (offset) => {
      const { client, made } = await serve();
      const { header, data, offsets } = await fetch(client, request({ offset }));
      expect(header?.payloadBytes).toBe(BigInt(BYTES));
      expect(offsets[0]).toBe(offset);
      expect(data.equals(made.payload.subarray(offset))).toBe(true);
    },
  );

  it('refuses an offset beyond the end', async () => {
    const { client } = await serve();
    await expect(fetch(client, request({ offset: BYTES + 1 }))).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      details: { field: 'offset', value: BYTES + 1 },
    });
  });

  it("answers NOT_FOUND for another worker's id, another chunk, or none", async () => {
    const { client, outbox } = await serve();
    for (const what of [{ workerId: 'me-before-restart' }, { first: 1n }, { whole: false }]) {
      await expect(fetch(client, request(what))).rejects.toMatchObject({ code: 'CHUNK_NOT_FOUND' });
    }
    expect(outbox.hasUndelivered).toBe(true);
  });

  it('does not take a stream that was cut for delivered, and lets its memory go', async () => {
    const { client, outbox, events, released, made } = await serve({}, 64 * FRAME_BYTES);
    const stream = client.fetchChunk(request());
    stream.on('error', () => {});
    stream.once('data', () => stream.cancel());
    await eventually(() => events.length > 0);
    expect(events).toMatchObject([{ kind: 'fetched', outcome: 'cut' }]);
    expect(outbox.hasUndelivered).toBe(true);
    expect(outbox.drop(RUN, '0-0-4', 3)).toBe(true);
    expect(released.get(made)).toBe(1);
  });

  it('ends the stream of a reader that takes nothing, having buffered little for it', async () => {
    const bytes = 64 * FRAME_BYTES;
    const { client, events, outbox } = await serve({ stalledMs: 50 }, bytes);
    const stream = client.fetchChunk(request());
    stream.on('error', () => {});
    // From then on nothing reads, and flow control stops the sender.
    stream.once('data', () => stream.pause());
    await eventually(() => events.length > 0);
    expect(events).toMatchObject([{ kind: 'fetched', outcome: 'cut' }]);
    const [event] = events;
    expect(event?.kind === 'fetched' && event.bytes).toBeLessThan(bytes / 2);
    expect(outbox.isSending).toBe(false);
    stream.cancel();
  });

  it('has room for others once it has ended the stream of a reader that takes nothing, not even that', async () => {
    const { client } = await serve({ stalledMs: 50, maxStreams: 1 }, 64 * FRAME_BYTES);
    const stream = client.fetchChunk(request());
    stream.on('error', () => {});
    stream.once('data', () => stream.pause());
    let fetched: Fetched | null = null;
    while (fetched === null) fetched = await fetch(client).catch(() => null);
    expect(fetched.data.length).toBe(64 * FRAME_BYTES);
    stream.cancel();
  });

  it('sends so many at once and no more', async () => {
    const { client } = await serve({ maxStreams: 1 }, 64 * FRAME_BYTES);
    const first = client.fetchChunk(request());
    first.on('error', () => {});
    await new Promise((resolve) => first.once('metadata', resolve));
    await expect(fetch(client)).rejects.toMatchObject({ code: 'WORKER_BUSY' });
    first.cancel();
    const again = async () => {
      for (;;) {
        const fetched = await fetch(client).catch(() => null);
        if (fetched) return fetched;
      }
    };
    expect((await again()).data.length).toBe(64 * FRAME_BYTES);
  });
});
