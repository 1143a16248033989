import { eventsQuery } from '@cropstream/api';
import { principalOf } from '@cropstream/runtime/http';
import { z } from 'zod';
import { type ApiApp, type ApiContext, DRAWING } from './context.js';
import { EventHub } from './event-hub.js';
import { ownerAsked } from './whose.js';

export function eventRoutes(app: ApiApp, context: ApiContext): EventHub {
  const hub = new EventHub(context);
  app.get(
    '/events',
    {
      config: DRAWING,
      schema: {
        tags: ['events'],
        summary: 'Snapshots of the fleet, and of some runs, about once a second (server-sent events)',
        querystring: eventsQuery,
        response: {
          200: {
            description: 'Events `fleet`, `run` and `gone`, with the schemas of those names.',
            content: { 'text/event-stream': { schema: z.string() } },
          },
        },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const owner = ownerAsked(principal, request.query.owner);
      const subscription = { principal, owner, runs: request.query.runs, response: reply.raw };
      const headers = {
        ...reply.getHeaders(),
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
      };
      hub.subscribe(subscription);
      reply.hijack();
      reply.raw.writeHead(200, headers as Record<string, string>);
      reply.raw.flushHeaders();
    },
  );
  app.addHook('preClose', async () => hub.close());
  return hub;
}
