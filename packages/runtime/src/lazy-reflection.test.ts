import { Client, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { afterEach, describe, expect, it } from 'vitest';
import { OPEN_ACCESS } from './access/access.js';
import { GrpcServer } from './grpc-server.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server that reflects one service, and how often that was asked for. */
async function serve() {
  let loads = 0;
  const ask = { requestType: 'Question', responseType: 'Question', comment: '' };
  const nested = {
    Question: { fields: { text: { type: 'string', id: 1 } } },
    Test: { methods: { Ask: ask } },
  };
  const server = await GrpcServer.listen({
    ...{ host: '127.0.0.1', port: 0, portFlag: '--port', channel: {}, certificates: null },
    ...{ access: OPEN_ACCESS, services: {} },
    toStatus: ({ code, message }) => ({ code: 3, details: `${code}: ${message}`, metadata: new Metadata() }),
    reflection: async () => {
      loads++;
      return fromJSON({ nested });
    },
  });
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  closers.push(
    () => server.stop(0),
    () => client.close(),
  );
  const same = (bytes: Buffer) => bytes;
  const call = (version: string) =>
    client.makeBidiStreamRequest(
      `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      same,
      same,
    );
  return { call, loads: () => loads };
}

/** `list_services` is field 7 of a request, a string. */
const LIST_SERVICES = Buffer.of(0x3a, 0x00);

describe('reflection', () => {
  it.each(['v1', 'v1alpha'])('is loaded with its first call, and answers it: %s', async (version) => {
    const { call, loads } = await serve();
    expect(loads()).toBe(0);
    for (let time = 0; time < 2; time++) {
      const stream = call(version);
      const answer = new Promise<Buffer>((resolve, reject) => {
        stream.on('data', resolve);
        stream.on('error', reject);
      });
      const ended = new Promise((resolve) => stream.on('end', resolve));
      stream.write(LIST_SERVICES);
      stream.end();
      expect(String(await answer)).toContain('Test');
      await ended;
    }
    expect(loads()).toBe(1);
  });

  it('ends a call with a message that cannot be read', async () => {
    const { call } = await serve();
    const stream = call('v1');
    const ended = new Promise<StatusObject>((resolve) =>
      stream.on('error', (error) => resolve(error as unknown as StatusObject)),
    );
    stream.write(Buffer.of(0xff, 0xff, 0xff));
    const { code, details } = await ended;
    expect(code).toBe(3);
    expect(details).toMatch(/^REQUEST_INVALID: .*ServerReflectionInfo/);
  });
});
