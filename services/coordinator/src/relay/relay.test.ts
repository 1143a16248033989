import type { WorkerRecord } from '@cropstream/broker';
import { exampleWorker } from '@cropstream/broker/contract';
import { type CropstreamError, failure } from '@cropstream/errors';
import {
  CLIENT_OPTIONS,
  decodeFrame,
  encodeFrame,
  type FetchChunkRequest,
  FRAME_BYTES,
  fromStatus,
  RelayedWorkerClient,
  reflectionPackage,
  relayedWorkerService,
  SERVER_OPTIONS,
  toStatus,
} from '@cropstream/protocol';
import { createRegistry, OPEN, OPEN_ACCESS, systemClock } from '@cropstream/runtime';
import { GrpcServer } from '@cropstream/runtime/grpc';
import { GrpcAccess } from '@cropstream/runtime/grpc-access';
import { Metadata, type ServerWritableStream } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_LIMITS } from '../limits.js';
import { openRelay } from './relay.js';
import { RELAY_STREAM_BYTES } from './relay-service.js';

type WorkerCall = ServerWritableStream<FetchChunkRequest, Buffer>;

/** On a machine that has much else to do, too. */
const eventually = (condition: () => boolean | Promise<boolean>) => vi.waitUntil(condition, 20_000);

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(
  service: Parameters<typeof GrpcServer.listen>[0]['services'][string],
): Promise<GrpcServer> {
  const server = await GrpcServer.listen({
    ...{ host: '127.0.0.1', port: 0, portFlag: '--port', channel: SERVER_OPTIONS, toStatus },
    ...{ certificates: null, access: OPEN_ACCESS, reflection: reflectionPackage },
    services: { 'cropstream.v1.Worker': service },
  });
  closers.push(() => server.stop(0));
  return server;
}

/** A worker that answers so, a coordinator that relays from it, and a trainer's client of that coordinator. */
async function setUp(answer: (call: WorkerCall) => void, limits: Partial<typeof DEFAULT_LIMITS> = {}) {
  const roles = { fetchChunk: ['trainer', 'operator', 'service'] as const };
  const workerServer = await serve({
    definition: relayedWorkerService,
    implementation: { fetchChunk: answer },
    roles,
  });
  const worker = exampleWorker({ id: 'w1', address: `127.0.0.1:${workerServer.port}`, tlsName: '' });
  const known = new Map<string, WorkerRecord>([['w1', worker]]);
  const registry = createRegistry();
  const relay = openRelay({
    find: async (id) => known.get(id) ?? null,
    peers: new GrpcAccess(OPEN),
    clock: systemClock,
    limits: { ...DEFAULT_LIMITS, ...limits },
    registry,
  });
  closers.push(() => relay.close());
  const coordinator = await serve(relay.service);
  const client = new RelayedWorkerClient(
    `127.0.0.1:${coordinator.port}`,
    new GrpcAccess(OPEN).credentials,
    CLIENT_OPTIONS,
  );
  closers.push(() => client.close());
  const metric = async (name: string, outcome?: string) => {
    const found = await registry.getSingleMetric(`cropstream_coordinator_relay_${name}`)?.get();
    return (found?.values ?? [])
      .filter(({ labels }) => outcome === undefined || labels.outcome === outcome)
      .reduce((sum, { value }) => sum + value, 0);
  };
  return { client, known, coordinator, workerServer, metric };
}

const request = (process = 'p1', workerId = 'w1'): FetchChunkRequest => ({
  chunk: { runDigest: 'a'.repeat(64), epoch: 0n, first: 0n, last: 4n },
  ...{ workerId, attempt: 3, offset: 0n, process, owner: '' },
});

function fetch(client: RelayedWorkerClient, what = request()) {
  const call = client.fetchChunk(what, new Metadata(), {});
  const frames: Buffer[] = [];
  const ended = new Promise<CropstreamError | null>((resolve) => {
    call.on('data', (frame: Buffer) => frames.push(frame));
    call.on('end', () => resolve(null));
    call.on('error', (error) => resolve(fromStatus(error, 'coordinator')));
  });
  return { call, frames, ended };
}

const frameOf = (index: number, bytes = FRAME_BYTES) =>
  encodeFrame({ header: undefined, offset: BigInt(index * bytes), data: Buffer.alloc(bytes, index + 1) });

/** Writes frames as fast as they are taken, and counts them. */
function endless(written: { frames: number; cancelled: number }) {
  return (call: WorkerCall) => {
    call.on('cancelled', () => written.cancelled++);
    const write = (index: number) => {
      written.frames++;
      call.write(frameOf(index % 200), (error?: Error | null) => {
        if (!error && !call.cancelled) write(index + 1);
      });
    };
    write(0);
  };
}

describe('a coordinator that relays', () => {
  it('hands on the request for its caller, the frames as they are, and the end', async () => {
    // A field of a later version, which this one's code would drop.
    const later = Buffer.concat([frameOf(1, 1000), Buffer.from([0x7a, 0x02, 1, 2])]);
    const asked: FetchChunkRequest[] = [];
    const { client, metric } = await setUp((call) => {
      asked.push(call.request);
      call.write(frameOf(0, 1000));
      call.write(later);
      call.end();
    });
    const { frames, ended } = fetch(client, { ...request(), owner: 'somebody-else' });
    expect(await ended).toBeNull();
    expect(asked).toEqual([{ ...request(), owner: 'default' }]);
    expect(frames).toHaveLength(2);
    expect(frames[0]?.equals(frameOf(0, 1000))).toBe(true);
    expect(frames[1]?.equals(later)).toBe(true);
    await eventually(async () => (await metric('streams')) === 0);
    expect(await metric('chunks_total', 'whole')).toBe(1);
    expect(await metric('bytes_total')).toBe(frames[0]!.length + later.length);
    expect(await metric('held_bytes')).toBe(0);
  });

  it.each([
    failure('CHUNK_NOT_FOUND', { chunk: '0-0-4' }),
    failure('WORKER_BUSY', { streams: 9, limit: 9 }),
    failure('SPEC_INVALID', { field: 'offset', value: 9, allowed: 'at most 8' }),
  ])('hands on the worker’s $code', async (error) => {
    const { client } = await setUp((call) => call.emit('error', toStatus(error)));
    expect(await fetch(client).ended).toMatchObject({ code: error.code, problem: error.problem });
  });

  it.each([
    failure('UNAUTHENTICATED', { reason: 'its token is not known here' }),
    failure('SHUTTING_DOWN', {}),
    failure('INTERNAL', { reason: 'a defect' }),
  ])('tells of a worker’s $code as of its own trouble with that worker', async (error) => {
    const { client, metric } = await setUp((call) => call.emit('error', toStatus(error)));
    expect(await fetch(client).ended).toMatchObject({
      code: 'WORKER_UNREACHABLE',
      details: { worker: 'w1', reason: error.problem },
    });
    expect(await metric('chunks_total', 'failed')).toBe(1);
  });

  it('tells of workers that are gone, and that do not answer where they are said to be', async () => {
    const { client, known, workerServer } = await setUp((call) => call.end());
    expect(await fetch(client, request('p1', 'w2')).ended).toMatchObject({
      code: 'WORKER_UNREACHABLE',
      details: { worker: 'w2', reason: 'it is gone' },
    });
    await workerServer.stop(0);
    known.set('w3', { ...known.get('w1')!, id: 'w3' });
    expect(await fetch(client, request('p1', 'w3')).ended).toMatchObject({
      code: 'WORKER_UNREACHABLE',
      details: { reason: expect.stringContaining('nothing listens there') },
    });
  });

  it('tells of a worker that dies in the middle, after what it had sent', async () => {
    const { client, workerServer } = await setUp((call) => {
      for (let i = 0; i < 3; i++) call.write(frameOf(i));
    });
    const { call, frames, ended } = fetch(client);
    call.on('data', () => {
      if (frames.length === 3) void workerServer.stop(0);
    });
    expect(await ended).toMatchObject({ code: 'WORKER_UNREACHABLE' });
    expect(frames.map((frame) => Number(decodeFrame(frame).offset))).toEqual([
      0,
      FRAME_BYTES,
      2 * FRAME_BYTES,
    ]);
  });

  it('tells of a worker that falls silent', async () => {
    const { client } = await setUp((call) => call.write(frameOf(0)), { relaySilentMs: 100 });
    expect(await fetch(client).ended).toMatchObject({
      code: 'WORKER_UNREACHABLE',
      details: { reason: expect.stringContaining('no byte from') },
    });
  });

  it('reads no faster than the trainer, holds two frames for it, and ends what is not taken', async () => {
    const written = { frames: 0, cancelled: 0 };
    const { client, metric } = await setUp(endless(written), { relayStalledMs: 300 });
    const { call, frames, ended } = fetch(client);
    call.once('data', () => call.pause());
    let held = 0;
    await eventually(async () => {
      held = Math.max(held, await metric('held_bytes'));
      return (await metric('chunks_total', 'cut')) === 1;
    });
    expect(held).toBeLessThanOrEqual(2 * frameOf(9).length);
    // A client of gRPC reads 16 messages ahead, its window lets more come, and the rest is what the relay holds.
    const most = 16 + (CLIENT_OPTIONS['grpc-node.flow_control_window'] + RELAY_STREAM_BYTES) / FRAME_BYTES;
    expect(written.frames).toBeLessThanOrEqual(most);
    expect(await metric('held_bytes')).toBe(0);
    await eventually(() => written.cancelled === 1);
    // Though its reader takes nothing of its end either.
    await eventually(async () => (await metric('streams')) === 0);
    call.resume();
    expect(await ended).not.toBeNull();
    expect(frames.length).toBeLessThanOrEqual(written.frames);
  });

  it('lets the worker know that a trainer left', async () => {
    const written = { frames: 0, cancelled: 0 };
    const { client, metric } = await setUp(endless(written));
    const { call } = fetch(client);
    call.once('data', () => call.cancel());
    await eventually(() => written.cancelled === 1);
    await eventually(async () => (await metric('streams')) === 0);
    expect(await metric('chunks_total', 'cut')).toBe(1);
    expect(await metric('held_bytes')).toBe(0);
  });

  it('relays as many at once as its memory allows, each trainer in turn, and refuses what waits for long', async () => {
    const written = { frames: 0, cancelled: 0 };
    let begun = 0;
    const limits = { relayBytes: 2 * RELAY_STREAM_BYTES, relayTurnMs: 500 };
    const { client, metric } = await setUp((call) => {
      begun++;
      endless(written)(call);
    }, limits);
    const greedy = Array.from({ length: 4 }, () => fetch(client, request('greedy')));
    await eventually(async () => (await metric('waiting_streams')) === 2);
    const modest = fetch(client, request('modest'));
    await eventually(async () => (await metric('waiting_streams')) === 3);
    expect([await metric('streams'), begun]).toEqual([2, 2]);
    greedy[0]?.call.cancel();
    await eventually(() => modest.frames.length > 0);
    expect(greedy[2]?.frames).toEqual([]);
    for (const { ended } of greedy.slice(2)) {
      expect(await ended).toMatchObject({ code: 'RELAY_BUSY', details: { streams: 2 } });
    }
    for (const { call } of [...greedy, modest]) call.cancel();
    await eventually(async () => (await metric('streams')) + (await metric('waiting_streams')) === 0);
  });

  it('ends its streams in order when it stops, and what lasts longer than the grace', async () => {
    const slow: WorkerCall[] = [];
    const { client, coordinator } = await setUp((call) => {
      call.write(frameOf(0, 1000));
      slow.push(call);
    });
    const { frames, ended } = fetch(client);
    await eventually(() => frames.length === 1);
    const stopped = coordinator.stop(10_000);
    slow[0]?.write(frameOf(1, 1000));
    slow[0]?.end();
    expect(await ended).toBeNull();
    expect(frames).toHaveLength(2);
    await stopped;
  });
});
