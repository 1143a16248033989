import { connect } from 'node:net';
import { below, mutateBytes, mutateValue, nasty, oneOf, type Random, randomBytes } from './mutate.js';

/** Hostile HTTP requests, made by hand from what the service says of its routes. */

/** A route of an OpenAPI document, as far as requests are made from it. */
export interface Route {
  readonly method: string;
  readonly path: string;
  readonly query: readonly string[];
  readonly body: boolean;
}

interface OpenApi {
  readonly paths: Record<
    string,
    Record<
      string,
      {
        readonly parameters?: readonly { readonly name: string; readonly in: string }[];
        readonly requestBody?: object;
      }
    >
  >;
}

export function routesOf(document: unknown): readonly Route[] {
  return Object.entries((document as OpenApi).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]) => ({
      ...{ method: method.toUpperCase(), path, body: requestBody !== undefined },
      query: parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name),
    })),
  );
}

export interface HttpAnswer {
  /** Null: the connection was ended without an answer. */
  readonly status: number | null;
  readonly type: string;
  readonly body: string;
}

/** A valid value for a parameter of that name, as far as one can be guessed. */
function usualValue(name: string, random: Random): string {
  if (/name|run/.test(name)) return 'lab-run';
  if (/digest/.test(name)) return 'a'.repeat(64);
  if (/owner/.test(name)) return 'lab';
  return String(below(random, 4));
}

export interface HostileRequestOptions {
  readonly routes: readonly Route[];
  readonly token: string | null;
  readonly spec: object;
  readonly random: Random;
}

/** One hostile request, as bytes. */
export function hostileRequest({ routes, token, spec, random }: HostileRequestOptions): Buffer {
  if (random() < 0.05) return randomBytes(1 + below(random, 300), random);
  const { method, path, query, body } = oneOf(random, routes);
  const encode = (value: unknown) =>
    random() < 0.7 ? encodeURIComponent(safe(value)) : safe(value).replace(/[^!-~]/g, '');
  const filled = path.replace(/\{([^}]+)\}/g, (_, name: string) =>
    encode(random() < 0.4 ? nasty(random) : usualValue(name, random)),
  );
  const asked = query
    .filter(() => random() < 0.5)
    .map((name) => `${name}=${encode(random() < 0.6 ? nasty(random) : usualValue(name, random))}`)
    .join('&');
  const sent = body || random() < 0.1 ? (JSON.stringify(mutateValue(spec, random)) ?? '') : '';
  const headers = [
    `host: localhost`,
    'connection: close',
    ...(token === null ? [] : [`authorization: Bearer ${token}`]),
    ...(sent === '' ? [] : [`content-type: ${random() < 0.9 ? 'application/json' : 'text/xml'}`]),
    ...(sent === ''
      ? []
      : [`content-length: ${random() < 0.95 ? Buffer.byteLength(sent) : below(random, 1 << 24)}`]),
    ...hostileHeader(random),
  ];
  const verb =
    random() < 0.9
      ? method
      : oneOf(random, ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE', 'BREW']);
  const request = Buffer.from(
    `${verb} ${filled}${asked && `?${asked}`} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n${sent}`,
  );
  return random() < 0.2 ? mutateBytes(request, random) : request;
}

/** As text; lone surrogates, which have no bytes, are left out. */
function safe(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return Buffer.from(text).toString().slice(0, 2_000);
}

function hostileHeader(random: Random): string[] {
  if (random() < 0.7) return [];
  return [
    oneOf(random, [
      'transfer-encoding: chunked',
      'expect: 100-continue',
      'upgrade: websocket',
      'content-encoding: gzip',
      'accept: ../../..',
      'range: bytes=0-99999999999',
      'last-event-id: \u00ff',
      'x-forwarded-for: 127.0.0.1',
      'x-http-method-override: DELETE',
      `cookie: ${'a=b; '.repeat(100)}`,
      `x-long: ${'a'.repeat(20_000)}`,
      'content-length: 3',
    ]),
  ];
}

/** Sends bytes over a connection of their own, and reads the first answer, as far as it comes within `waitMs`. */
export function sendRequest(url: string, bytes: Buffer, waitMs: number): Promise<HttpAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname);
    const done = () => {
      socket.destroy();
      resolve(parse(Buffer.concat(chunks).toString('latin1')));
    };
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      // A stream of events does not end by itself.
      if (/^content-type: text\/event-stream/im.test(chunks[0]?.toString('latin1') ?? '')) done();
    });
    socket.on('error', done);
    socket.on('close', done);
    socket.setTimeout(waitMs, done);
    socket.end(bytes);
  });
}

function parse(answer: string): HttpAnswer {
  const [head = '', body = ''] = answer.replace(/^HTTP\/1\.1 100 .*?\r\n\r\n/s, '').split(/\r\n\r\n(.*)/s);
  const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1];
  const type = /^content-type: *([^;\r\n]*)/im.exec(head)?.[1] ?? '';
  // What follows it answers what the server took for another request.
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? body.length);
  return { status: status === undefined ? null : Number(status), type, body: body.slice(0, length) };
}
