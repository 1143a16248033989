import { failure } from '@cropstream/errors';
import { freePort } from '@cropstream/runtime';
import Fastify from 'fastify';
import type { Registry } from 'prom-client';

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly registry: Registry;
  /** Whether trainers are served now. */
  readonly ready: () => Promise<boolean>;
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** What operators' tools ask over HTTP: probes and metrics. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const app = Fastify({ bodyLimit: 1 << 20, requestTimeout: 10_000, forceCloseConnections: true });
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_, reply) => {
    const ready = await options.ready().catch(() => false);
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
    throw failure('PORT_IN_USE', { port: options.port, free, flag: '--http-port' }, { cause });
  }
  const address = app.server.address();
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    close: () => app.close(),
  };
}
