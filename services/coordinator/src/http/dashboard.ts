import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import type { FastifyInstance } from '@cropstream/runtime/http';
import fastifyStatic from '@fastify/static';

/** Files of names that hold a hash of their content never change. */
const FOR_EVER = 'public, max-age=31536000, immutable';

/**
 * Serves the dashboard at `/`: for anyone, since its files say nothing of this service. What it shows it asks the API
 * for, with its reader's token.
 */
export async function dashboardRoutes(app: FastifyInstance): Promise<void> {
  const root = dirname(createRequire(import.meta.url).resolve('@cropstream/dashboard/index.html'));
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, access: 'anyone' };
  });
  await app.register(fastifyStatic, {
    root,
    // The files that there are, each a route of its own: no path leads elsewhere.
    wildcard: false,
    preCompressed: true,
    cacheControl: false,
    setHeaders(response, path) {
      response.setHeader('vary', 'accept-encoding');
      response.setHeader('cache-control', path.endsWith('.html') ? 'no-cache' : FOR_EVER);
    },
  });
}
