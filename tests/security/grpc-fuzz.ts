import { type ClientHttp2Session, connect as connectHttp2, type OutgoingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import {
  type Attach,
  AttachRequest,
  FetchChunkRequest,
  GetRunRequest,
  ListRunsRequest,
  OpenRunRequest,
  PROTOCOL_VERSION,
} from '@cropstream/protocol';
import { below, mutateBytes, mutateValue, nasty, oneOf, type Random, randomBytes } from './mutate.js';

/** Hostile calls over HTTP/2, made by hand: a gRPC library would refuse to send most of them. */

/** A status of gRPC, `http-415` where the answer is not gRPC's, `reset` where the stream was. */
export type Outcome = string;

export interface Call {
  readonly path: string;
  readonly body: Buffer;
  readonly headers?: OutgoingHttpHeaders;
}

interface Method {
  readonly path: string;
  /** A valid message that is refused or harmless, as plain data. */
  readonly message: object;
  encode(message: object): Buffer;
}

const text = (value: object) => value as never;
const PROGRESS = {
  nextStep: 0n,
  creditChunks: 8,
  creditBytes: 1n << 24n,
  held: [],
  waitedSeconds: 0,
  elapsedSeconds: 0,
};

const VERSION = { protocolVersion: PROTOCOL_VERSION };

/** A rank that attaches to the run of a `SecuredFleet`. */
export const ATTACH: Attach = {
  ...VERSION,
  ...{ run: 'lab-run', runDigest: '', consumer: 'fuzz', rank: 0, worldSize: 1, takeover: false },
  ...{ allowUneven: false, process: 'p', host: 'h', pid: 1, endStep: 1n, progress: PROGRESS },
};

/** An OpenRunRequest of a spec as text. */
export function openRunMessage(specJson: string): Buffer {
  return Buffer.from(OpenRunRequest.encode({ protocolVersion: PROTOCOL_VERSION, specJson }).finish());
}

/** The methods of both services, each with a message. */
export function methodsOf(spec: object): readonly Method[] {
  const chunk = { runDigest: 'a'.repeat(64), epoch: 0n, first: 0n, last: 4n };
  const coordinator = '/cropstream.v1.Coordinator/';
  return [
    {
      path: `${coordinator}OpenRun`,
      message: { ...VERSION, spec },
      encode: ({ spec: mutated, ...rest }: { spec?: unknown }) =>
        Buffer.from(
          OpenRunRequest.encode(
            text({ ...VERSION, ...rest, specJson: JSON.stringify(mutated) ?? '' }),
          ).finish(),
        ),
    },
    {
      path: `${coordinator}GetRun`,
      message: { ...VERSION, name: 'lab-run' },
      encode: (message) => Buffer.from(GetRunRequest.encode(text(message)).finish()),
    },
    {
      path: `${coordinator}ListRuns`,
      message: VERSION,
      encode: (message) => Buffer.from(ListRunsRequest.encode(text(message)).finish()),
    },
    {
      path: `${coordinator}Attach`,
      message: { message: { $case: 'attach', value: ATTACH } },
      encode: (message) => Buffer.from(AttachRequest.encode(text(message)).finish()),
    },
    {
      path: `${coordinator}Attach`,
      message: { message: { $case: 'progress', value: PROGRESS } },
      encode: (message) => Buffer.from(AttachRequest.encode(text(message)).finish()),
    },
    {
      path: '/cropstream.v1.Worker/FetchChunk',
      message: { chunk, workerId: 'w', attempt: 1, offset: 0n },
      encode: (message) => Buffer.from(FetchChunkRequest.encode(text(message)).finish()),
    },
    {
      path: '/grpc.health.v1.Health/Check',
      message: {},
      encode: () => Buffer.from('0a0178', 'hex'),
    },
    {
      path: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      message: {},
      encode: () => Buffer.from('3a00', 'hex'),
    },
  ];
}

/** A gRPC message in its frame. */
export function framed(message: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** One hostile call: a mutated message, mutated bytes of a valid one, or a frame or headers that lie. */
export function hostileCall(methods: readonly Method[], random: Random): Call {
  const { path, message, encode } = oneOf(random, methods);
  const valid = () => encode(message);
  switch (below(random, 6)) {
    case 0:
    case 1:
      return {
        path,
        body: framed(encoded(encode, mutateValue(message, random)) ?? mutateBytes(valid(), random)),
      };
    case 2:
      return { path, body: framed(mutateBytes(valid(), random)) };
    case 3:
      return { path, body: mutateBytes(framed(valid()), random) };
    case 4:
      return { path, body: framed(randomBytes(below(random, 300), random), below(random, 3)) };
    default:
      return {
        path: oneOf(random, [path, `${path}x`, '/', '//', '/a/b/c', `/${'a'.repeat(4_000)}/b`]),
        body: framed(valid()),
        headers: hostileHeaders(random),
      };
  }
}

/** What TypeScript would not let pass may fail to encode: then it cannot be sent either. */
function encoded(encode: Method['encode'], message: unknown): Buffer | null {
  try {
    return encode(message as object);
  } catch {
    return null;
  }
}

function hostileHeaders(random: Random): OutgoingHttpHeaders {
  return oneOf<OutgoingHttpHeaders>(random, [
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/grpc+json' },
    { 'grpc-timeout': oneOf(random, ['0n', '99999999H', '-1S', 'x', '1', '00000000000S']) },
    { 'grpc-encoding': oneOf(random, ['gzip', 'deflate', 'snappy', '']) },
    { authorization: oneOf(random, ['Bearer', 'Bearer ', 'Basic eA==', `Bearer ${'a'.repeat(8_000)}`]) },
    { 'x-bin': 'not base64 *' },
    { 'grpc-status': '0' },
    Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [
        `x-${i}`,
        (JSON.stringify(nasty(random)) ?? '').replace(/[^\x20-\x7e]/g, '').slice(0, 200),
      ]),
    ),
  ]);
}

/** Connections that are opened again when the server has ended them. */
export class GrpcAttacker {
  #session: ClientHttp2Session | null = null;

  /** @param address host:port */
  constructor(
    private readonly address: string,
    private readonly token: string | null,
  ) {}

  /** Makes a call, and gives what came of it; a stream that a call of its kind may keep open is ended. */
  call({ path, body, headers }: Call, timeoutMs = 10_000): Promise<Outcome> {
    const stream = this.#open().request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(this.token !== null && { authorization: `Bearer ${this.token}` }),
      ...headers,
    });
    return new Promise((resolve) => {
      let status: string | null = null;
      const late = setTimeout(() => {
        resolve('no answer');
        stream.close(8);
      }, timeoutMs);
      const told = (answer: Record<string, unknown>) => {
        if (answer['grpc-status'] !== undefined) status = String(answer['grpc-status']);
        else if (answer[':status'] !== undefined && answer[':status'] !== 200)
          status = `http-${answer[':status']}`;
      };
      stream.on('response', told);
      stream.on('trailers', told);
      stream.on('error', () => {});
      stream.on('close', () => {
        clearTimeout(late);
        resolve(status ?? 'reset');
      });
      stream.resume();
      stream.end(body);
    });
  }

  close(): void {
    this.#session?.destroy();
  }

  #open(): ClientHttp2Session {
    if (this.#session === null || this.#session.closed || this.#session.destroyed) {
      this.#session = connectHttp2(`http://${this.address}`);
      this.#session.on('error', () => {});
    }
    return this.#session;
  }
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Bytes at a port that are no calls, on a connection of their own, until the server has ended it or kept silent. */
export function throwBytes(address: string, bytes: Buffer, waitMs: number): Promise<void> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect(Number(port), host);
    const done = () => {
      socket.destroy();
      resolve();
    };
    socket.on('error', done);
    socket.on('close', done);
    socket.on('end', done);
    socket.setTimeout(waitMs, done);
    socket.resume();
    socket.write(bytes);
  });
}

/** Frames of HTTP/2 of any type, flags and stream, after a preface or not. */
export function hostileFrames(random: Random): Buffer {
  const frames = Array.from({ length: 1 + below(random, 8) }, () => {
    const payload = randomBytes(below(random, 64), random);
    const head = Buffer.alloc(9);
    head.writeUIntBE(random() < 0.9 ? payload.length : below(random, 1 << 24), 0, 3);
    head[3] = below(random, 12);
    head[4] = below(random, 256);
    head.writeUInt32BE(below(random, 8), 5);
    return Buffer.concat([head, payload]);
  });
  return Buffer.concat([...(random() < 0.9 ? [PREFACE] : []), ...frames]);
}
