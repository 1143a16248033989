import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as HttpsServer } from 'node:https';
import { setTimeout } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { type CropstreamError, failure } from '@cropstream/errors';
import helmet from '@fastify/helmet';
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify';
import type { Registry } from 'prom-client';
import type { Access } from '../access/access.js';
import type { Principal, Role } from '../access/principal.js';
import type { ServerCertificates } from '../certificates.js';
import { boundConnections } from '../connections.js';
import { checkNesting } from '../json.js';
import { LimitMetrics } from '../limit-metrics.js';
import type { Logger } from '../log.js';
import { freePort } from '../ports.js';
import { DEFAULT_HTTP_LIMITS, HTTP_LIMITS, type HttpLimits } from './limits.js';
import { checkOrigin } from './origin.js';
import { failureOf, PROBLEM_TYPE, parserFailure, problemOf } from './problems.js';

export type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
export { DEFAULT_HTTP_LIMITS, HTTP_LIMITS, type HttpLimits } from './limits.js';
export { PROBLEM_TYPE, type Problem, problemOf } from './problems.js';

/**
 * Who may ask a route: `anyone` without a token, and its handler is to say nothing then that a stranger may not know;
 * `probe` beyond that without a certificate, for a kubelet has none; or principals of some roles.
 */
export type RouteAccess = 'probe' | 'anyone' | readonly Role[];

declare module 'fastify' {
  interface FastifyContextConfig {
    /** @default every principal */
    readonly access?: RouteAccess;
  }
  interface FastifyRequest {
    /** Null where the route is for anyone; see `principalOf`. */
    principal: Principal | null;
  }
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The flag or variable that sets the port, for the error that names a free one. */
  readonly portFlag: string;
  readonly registry: Registry;
  readonly log: Pick<Logger, 'error'>;
  /** Null: without TLS. */
  readonly certificates: ServerCertificates | null;
  readonly access: Access;
  /** Whether this process does its work now. */
  readonly ready: () => Promise<boolean>;
  /** Registers what else is served. @default nothing */
  readonly plugin?: (app: FastifyInstance) => Promise<void>;
  /** @default DEFAULT_HTTP_LIMITS */
  readonly limits?: Partial<HttpLimits>;
}

export interface HttpServer {
  readonly port: number;
  readonly scheme: 'http' | 'https';
  close(): Promise<void>;
}

/** A probe that waits longer is answered no: what it asks may never come back. */
const READY_MS = 1_000;
/** How often connections are looked through for those that are over a limit of time. */
const LOOK_MS = 1_000;
/** Longest parameter of a path: a digest has 64 characters, a run's name fewer. */
const PARAMETER_CHARACTERS = 256;

/** @throws INTERNAL in a handler of a route that is for anyone */
export function principalOf({ principal, routeOptions }: FastifyRequest): Principal {
  if (principal === null) throw failure('INTERNAL', { reason: `${routeOptions.url} is for anyone` });
  return principal;
}

/**
 * The HTTP server of a service: probes, metrics, and what `plugin` registers, behind one door. Every route but the
 * probes wants a certificate where clients are to have them, and a token where there are any, unless it says otherwise
 * by `config.access`. Errors are those of the table, as problem+json.
 *
 * @throws PORT_IN_USE, naming a free port
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host, port, certificates } = options;
  const limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const servers: Server[] = [];
  const app: FastifyInstance = Fastify({
    bodyLimit: limits.bodyBytes,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: PARAMETER_CHARACTERS },
    serverFactory(handler) {
      const server = serverWith(certificates, limits, handler);
      servers.push(server);
      return server;
    },
    frameworkErrors: (error, _, reply) => void send(reply, failureOf(error, '', limits)),
    clientErrorHandler(error, socket) {
      if (socket.destroyed || error.code === 'ECONNRESET') return socket.destroy();
      socket.end(rawAnswer(parserFailure(error, limits)));
    },
  } satisfies FastifyServerOptions);
  observe(options.registry, servers, limits);
  await prepare(app, options, limits);
  app.get('/healthz', { config: { access: 'probe' } }, async () => ({ status: 'ok' }));
  app.get('/readyz', { config: { access: 'probe' } }, async (_, reply) => {
    const late = setTimeout(READY_MS, false, { ref: false });
    const ready = await Promise.race([options.ready().catch(() => false), late]);
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready' });
  });
  app.get('/metrics', { config: { access: ['operator', 'service'] } }, async (_, reply) =>
    reply.header('content-type', options.registry.contentType).send(await options.registry.metrics()),
  );
  try {
    await options.plugin?.(app);
    await app.listen({ host, port });
  } catch (cause) {
    await app.close();
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    const free = await freePort(host);
    throw failure('PORT_IN_USE', { port, free, flag: options.portFlag }, { cause });
  }
  const address = app.server.address();
  return {
    port: typeof address === 'object' && address ? address.port : port,
    scheme: certificates === null ? 'http' : 'https',
    close: () => app.close(),
  };
}

function serverWith(
  certificates: ServerCertificates | null,
  limits: HttpLimits,
  handler: Parameters<typeof createServer>[1],
): Server {
  const common = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: LOOK_MS,
  };
  const server =
    certificates === null
      ? createServer(common, handler)
      : createTlsServer(
          {
            ...common,
            ...certificates.context,
            handshakeTimeout: limits.headersMs,
            // Asked of everybody, and checked at the routes: probes come without.
            requestCert: certificates.current.clientCa !== null,
            rejectUnauthorized: false,
          },
          handler,
        );
  if (certificates !== null) certificates.follow(server as HttpsServer);
  boundConnections(server, limits.maxConnections);
  server.maxRequestsPerSocket = limits.maxConnectionRequests;
  // Cuts a connection whose reader has stopped in the middle of an answer, too.
  server.setTimeout(limits.stalledMs);
  return server;
}

/** What holds for every route: headers, errors, and who is let in. */
async function prepare(
  app: FastifyInstance,
  { certificates, access, log }: HttpServerOptions,
  limits: HttpLimits,
): Promise<void> {
  const wantsCertificate = certificates?.current.clientCa != null;
  // Text is what other sites' pages can send unasked.
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    try {
      checkNesting(String(body));
    } catch (error) {
      return done(error as CropstreamError);
    }
    return parse(request, String(body), done);
  });
  app.decorateRequest('principal', null);
  app.addHook('onRequest', async (request) => {
    const { host, origin, authorization } = request.headers;
    const { access: rule } = request.routeOptions.config;
    if (!access.secured && !wantsCertificate) checkOrigin({ method: request.method, host, origin });
    if (rule === 'probe') return;
    if (wantsCertificate) requireCertificate(request);
    if (rule === 'anyone') return;
    request.principal = authenticate(access, authorization, rule);
  });
  app.setErrorHandler((thrown, request, reply) => {
    const error = failureOf(thrown, request.headers['content-type'] ?? 'none', limits);
    if (error.code === 'INTERNAL')
      log.error({ err: error, route: request.routeOptions.url }, 'a request failed');
    return send(reply, error);
  });
  app.setNotFoundHandler(({ method, url }, reply) =>
    send(reply, failure('ROUTE_NOT_FOUND', { method, path: url.split('?', 1)[0] ?? '' })),
  );
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        // Pictures are fetched with the token, and shown from memory.
        imgSrc: ["'self'", 'blob:', 'data:'],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: certificates !== null,
    referrerPolicy: { policy: 'no-referrer' },
  });
}

/** @throws CERTIFICATE_REQUIRED */
function requireCertificate({ raw: { socket } }: FastifyRequest): void {
  if (socket instanceof TLSSocket && socket.authorized) return;
  const reason = socket instanceof TLSSocket ? String(socket.authorizationError) : 'no TLS';
  throw failure('CERTIFICATE_REQUIRED', { reason });
}

/** @throws UNAUTHENTICATED, FORBIDDEN */
function authenticate(
  access: Access,
  authorization: string | undefined,
  roles: readonly Role[] | undefined,
): Principal {
  const principal = access.authenticate(authorization);
  if (principal === null) {
    const reason =
      authorization === undefined ? 'it carries no token' : 'its token is not one of the service';
    throw failure('UNAUTHENTICATED', { reason });
  }
  if (roles !== undefined && !roles.includes(principal.role)) {
    const reason = `that is for the role ${roles.join(' or ')}, and its is ${principal.role}`;
    throw failure('FORBIDDEN', { token: principal.name, what: 'ask for this', reason });
  }
  return principal;
}

function send(
  reply: Parameters<NonNullable<FastifyServerOptions['frameworkErrors']>>[2],
  error: CropstreamError,
) {
  if (error.code === 'UNAUTHENTICATED') reply.header('www-authenticate', 'Bearer');
  return reply.code(error.httpStatus).type(PROBLEM_TYPE).send(problemOf(error));
}

/** The answer to what is not a request, of which fastify makes none; the connection ends with it. */
function rawAnswer(error: CropstreamError): string {
  const body = JSON.stringify(problemOf(error));
  const head = [
    `HTTP/1.1 ${error.httpStatus} ${error.code}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

function observe(registry: Registry, servers: readonly Server[], limits: HttpLimits): void {
  const limit = new LimitMetrics(registry, 'http', HTTP_LIMITS);
  limit.set(limits);
  limit.watch(async () => {
    const counts = servers.map(
      (server) => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count ?? 0))),
    );
    return { maxConnections: (await Promise.all(counts)).reduce((sum, count) => sum + count, 0) };
  });
}
