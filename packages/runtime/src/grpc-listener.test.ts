import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { credentials, Metadata, makeGenericClientConstructor, status } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Access, OPEN_ACCESS } from './access/access.js';
import type { GrpcLimits } from './grpc-limits.js';
import { GrpcServer } from './grpc-server.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const REFUSING: Access = { ...OPEN_ACCESS, secured: true, authenticate: () => null };
/** Connections are looked through once a second. */
const WITHIN = { timeout: 10_000 };

async function serve(limits: Partial<GrpcLimits>, access: Access = OPEN_ACCESS): Promise<GrpcServer> {
  const server = await GrpcServer.listen({
    ...{ host: '127.0.0.1', port: 0, portFlag: '--port', channel: {} },
    ...{ certificates: null, access, services: {}, reflection: async () => ({}), limits },
    toStatus: ({ grpcStatus, code }) => ({ code: grpcStatus, details: code, metadata: new Metadata() }),
  });
  closers.push(() => server.stop(0));
  return server;
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  closers.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket.resume();
}

async function session(port: number): Promise<ClientHttp2Session> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  closers.push(() => session.destroy());
  const refused = once(session, 'close').then(() => Promise.reject(new Error('the connection was closed')));
  await Promise.race([once(session, 'remoteSettings'), refused]);
  refused.catch(() => {});
  return session;
}

/** A call of Health.Check, its message of `body` or none yet; its gRPC status. */
function call(session: ClientHttp2Session, body: Buffer | null = Buffer.alloc(5)) {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => {});
  stream.resume();
  if (body !== null) stream.end(body);
  return new Promise<number>((resolve) => {
    const told = (headers: Record<string, unknown>) => {
      if (headers['grpc-status'] !== undefined) resolve(Number(headers['grpc-status']));
    };
    stream.on('response', told);
    stream.on('trailers', told);
  });
}

describe('the connections of a gRPC server', () => {
  it('are cut where no call is let in', async () => {
    const silent = await serve({ admitMs: 2_000 });
    const [nothing, preface] = [await open(silent.port), await session(silent.port)];
    await Promise.all([once(nothing, 'close'), once(preface, 'close')]);
    await expect.poll(() => silent.connections).toEqual({ open: 0, cut: 2 });

    const refusing = await serve({ admitMs: 2_000 }, REFUSING);
    const refused = await session(refusing.port);
    expect(await call(refused)).toBe(status.UNAUTHENTICATED);
    await once(refused, 'close');
    expect(refusing.connections.cut).toBe(1);
  });

  it('stay when one was, until they have none for a while', async () => {
    const server = await serve({ admitMs: 3_000, idleMs: 5_000 });
    const stays = await session(server.port);
    expect(await call(stays)).toBe(status.OK);
    await once(await open(server.port), 'close');
    expect(server.connections.cut).toBe(1);
    expect(await call(stays)).toBe(status.OK);
    await once(stays, 'goaway');
    expect(server.connections.cut).toBe(1);
  });

  it.each([
    // PING frames, and SETTINGS.
    ['pings', Buffer.from(`000008060000000000${'00'.repeat(8)}`, 'hex')],
    ['settings', Buffer.from('000000040000000000', 'hex')],
  ])('are cut that flood it with %s', async (_, frame) => {
    const server = await serve({ receivedBytes: 1 << 10 });
    const good = await session(server.port);
    const socket = await open(server.port);
    let closed = false;
    socket.once('close', () => {
      closed = true;
    });
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from('000000040000000000', 'hex'));
    const flood = Buffer.concat(Array.from({ length: 512 }, () => frame));
    const pump = () => {
      while (!closed && socket.write(flood));
    };
    socket.on('drain', pump);
    pump();
    await expect.poll(() => closed, WITHIN).toBe(true);
    expect(await call(good)).toBe(status.OK);
  });

  it('are shared: no address has more than half of them', async () => {
    const server = await serve({ maxConnections: 4 });
    const [first] = [await open(server.port), await open(server.port)];
    await once(await open(server.port), 'close');
    first?.destroy();
    const answer = async () => call(await session(server.port));
    await expect.poll(() => answer().catch(String), WITHIN).toBe(status.OK);
  });

  it('are not held by a client that does not end what the server has ended', async () => {
    const server = await serve({ idleMs: 1 });
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
    closers.push(() => socket.destroy());
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from('000000040000000000', 'hex'));
    await once(socket.resume(), 'end');
    await expect.poll(() => server.connections.open, { timeout: 15_000 }).toBe(0);
  }, 20_000);
});

describe('the calls of a gRPC server', () => {
  it('are ended whose request does not come', async () => {
    const server = await serve({ requestMs: 100 });
    const slow = await session(server.port);
    expect(await call(slow, null)).toBe(status.DEADLINE_EXCEEDED);
    expect(await call(slow)).toBe(status.OK);
  });

  it('are refused whose message cannot be read', async () => {
    const server = await serve({});
    const message = Buffer.from('00000000010a', 'hex');
    expect(await call(await session(server.port), message)).toBe(status.INVALID_ARGUMENT);
  });

  it('take messages up to a size', async () => {
    const server = await serve({ maxMessageBytes: 1024 });
    const Health = makeGenericClientConstructor(service, 'grpc.health.v1.Health');
    const client = new Health(`127.0.0.1:${server.port}`, credentials.createInsecure());
    closers.push(() => client.close());
    const code = await new Promise((resolve) =>
      client.check?.({ service: 'a'.repeat(2048) }, (error: { code: number } | null) => resolve(error?.code)),
    );
    expect(code).toBe(status.RESOURCE_EXHAUSTED);
  });

  it('are so many at once over a connection', async () => {
    const server = await serve({ maxConnectionCalls: 2 });
    const { remoteSettings } = await session(server.port);
    expect(remoteSettings.maxConcurrentStreams).toBe(2);
  });
});
