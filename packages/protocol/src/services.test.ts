import { failure } from '@cropstream/errors';
import { credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import {
  CLIENT_OPTIONS,
  FetchChunkRequest,
  FRAME_BYTES,
  type Frame,
  fromStatus,
  SERVER_OPTIONS,
  toStatus,
  WorkerClient,
  type WorkerServer,
  workerService,
} from './index.js';
import { descriptorSet, reflectionPackage } from './reflection.js';

const open: { server: Server; client: WorkerClient }[] = [];
afterEach(() => {
  for (const { server, client } of open.splice(0)) {
    client.close();
    server.forceShutdown();
  }
});

async function connect(fetchChunk: WorkerServer['fetchChunk']): Promise<WorkerClient> {
  const server = new Server(SERVER_OPTIONS);
  server.addService(workerService, { fetchChunk });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = new WorkerClient(`127.0.0.1:${port}`, credentials.createInsecure(), CLIENT_OPTIONS);
  open.push({ server, client });
  return client;
}

describe('FetchChunk over a real connection', () => {
  it('carries frames of full size, and the header with the first', async () => {
    const payload = new Uint8Array(new SharedArrayBuffer(3 * FRAME_BYTES + 17));
    for (let i = 0; i < payload.length; i++) payload[i] = i * 31;
    const client = await connect((call) => {
      for (let at = Number(call.request.offset); at < payload.length; at += FRAME_BYTES) {
        call.write({ header: undefined, offset: BigInt(at), data: payload.subarray(at, at + FRAME_BYTES) });
      }
      call.end();
    });
    const received = Buffer.alloc(payload.length);
    const request = FetchChunkRequest.fromPartial({ workerId: 'w', offset: 0n });
    for await (const frame of client.fetchChunk(request) as AsyncIterable<Frame>) {
      received.set(frame.data, Number(frame.offset));
    }
    expect(received.equals(Buffer.from(payload))).toBe(true);
  });

  it('ends with an error of the table', async () => {
    const client = await connect((call) => {
      call.emit('error', toStatus(failure('CHUNK_NOT_FOUND', { chunk: '0-0-64' })));
    });
    const stream = client.fetchChunk(FetchChunkRequest.fromPartial({}));
    const thrown = await stream.toArray().catch((error: unknown) => error);
    expect(fromStatus(thrown, 'w')).toMatchObject({ code: 'CHUNK_NOT_FOUND', details: { chunk: '0-0-64' } });
  });

  it('ends with UNREACHABLE where nobody listens', async () => {
    const client = await connect((call) => call.end());
    open[0]?.server.forceShutdown();
    const stream = client.fetchChunk(FetchChunkRequest.fromPartial({}), { deadline: Date.now() + 5_000 });
    const thrown = await stream.toArray().catch((error: unknown) => error);
    expect(fromStatus(thrown, 'w').code).toBe('UNREACHABLE');
  });
});

describe('the descriptors for reflection', () => {
  it('name both services', () => {
    expect(descriptorSet().length).toBeGreaterThan(1_000);
    expect(Object.keys(reflectionPackage())).toEqual(
      expect.arrayContaining(['cropstream.v1.Coordinator', 'cropstream.v1.Worker']),
    );
  });
});
