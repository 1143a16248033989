import {
  CLIENT_OPTIONS,
  type FetchChunkRequest,
  FRAME_BYTES,
  type Frame,
  fromStatus,
  WorkerClient,
  workerService,
} from '@cropstream/protocol';
import { credentials, Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { readAsTheyCome } from './grpc-frames.js';

const cleanUp: (() => unknown)[] = [];
afterEach(() => {
  for (const end of cleanUp.splice(0).reverse()) end();
});

type Call = ServerWritableStream<FetchChunkRequest, Frame>;

/** What a client reads of a worker that answers so: frames as their bytes come, and messages that grpc-js gave. */
async function read(answer: (call: Call) => void, service: typeof workerService = workerService) {
  const server = new Server();
  server.addService(service, { fetchChunk: answer });
  cleanUp.push(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = new WorkerClient(`127.0.0.1:${port}`, credentials.createInsecure(), CLIENT_OPTIONS);
  cleanUp.push(() => client.close());
  const call = client.fetchChunk({
    ...{ chunk: undefined, workerId: '', attempt: 1, offset: 0n, process: '', owner: '' },
  });
  const frames: Frame[] = [];
  const messages: Frame[] = [];
  readAsTheyCome(call, (frame) => frames.push({ ...frame, data: Buffer.from(frame.data) }));
  call.on('data', (message: Frame) => messages.push(message));
  const error = await new Promise<unknown>((resolve) => {
    call.on('error', resolve);
    call.on('end', () => resolve(null));
  });
  return { frames, messages, error };
}

describe('readAsTheyCome', () => {
  it('gives frames before their messages are whole, and grpc-js none', async () => {
    const data = Buffer.alloc(FRAME_BYTES, 'cropstream');
    const { frames, messages, error } = await read((call) => {
      for (let i = 0; i < 3; i++) call.write({ header: undefined, offset: BigInt(i * data.length), data });
      call.end();
    });
    expect(error).toBeNull();
    expect(messages).toEqual([]);
    expect(frames.length).toBeGreaterThan(30);
    let next = 0n;
    for (const frame of frames) {
      expect(frame.offset).toBe(next);
      next += BigInt(frame.data.length);
    }
    expect(Buffer.concat(frames.map((frame) => frame.data)).equals(Buffer.concat([data, data, data]))).toBe(
      true,
    );
  });

  it('ends a call whose messages are no frames with an error', async () => {
    const responseSerialize = () => Buffer.from([0xff, 0xff, 0xff]);
    const { frames, error } = await read(
      (call) => call.write({ header: undefined, offset: 0n, data: Buffer.of() }),
      {
        fetchChunk: { ...workerService.fetchChunk, responseSerialize },
      },
    );
    expect(frames).toEqual([]);
    expect(fromStatus(error, 'worker').message).toContain('not a frame');
  });
});
