import { setTimeout } from 'node:timers/promises';
import { failure } from '@cropstream/errors';
import Fastify from 'fastify';
import type { Registry } from 'prom-client';
import { freePort } from './ports.js';

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The flag or variable that sets the port, for the error that names a free one. */
  readonly portFlag: string;
  readonly registry: Registry;
  /** Whether this process does its work now. */
  readonly ready: () => Promise<boolean>;
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** A probe that waits longer is answered no: what it asks may never come back. */
const READY_MS = 1_000;

/**
 * What operators' tools ask over HTTP: probes and metrics.
 * @throws PORT_IN_USE, naming a free port
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const app = Fastify({ bodyLimit: 1 << 20, requestTimeout: 10_000, forceCloseConnections: true });
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_, reply) => {
    const late = setTimeout(READY_MS, false, { ref: false });
    const ready = await Promise.race([options.ready().catch(() => false), late]);
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready' });
  });
  app.get('/metrics', async (_, reply) =>
    reply.header('content-type', options.registry.contentType).send(await options.registry.metrics()),
  );
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (cause) {
    await app.close();
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    const free = await freePort(options.host);
    throw failure('PORT_IN_USE', { port: options.port, free, flag: options.portFlag }, { cause });
  }
  const address = app.server.address();
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    close: () => app.close(),
  };
}
