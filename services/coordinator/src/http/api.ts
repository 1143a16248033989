import {
  API_PREFIX,
  fleetEventSchema,
  goneEventSchema,
  problemSchema,
  runEventSchema,
} from '@cropstream/api';
import { parseField } from '@cropstream/augment';
import { failure } from '@cropstream/errors';
import { VERSION } from '@cropstream/runtime';
import type { FastifyInstance } from '@cropstream/runtime/http';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
} from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { type ApiContext, type Routes, typed } from './context.js';
import { datasetRoutes } from './datasets.js';
import { eventRoutes } from './events.js';
import { fleetRoutes } from './fleet.js';
import { observeApi } from './metrics.js';
import { previewRoutes } from './previews.js';
import { recipeRoutes } from './recipes.js';
import { reportRoutes } from './reports.js';
import { runRoutes } from './runs.js';
import { statisticsRoutes } from './statistics.js';
import { stepRoutes } from './steps.js';

const ROUTES: readonly Routes[] = [
  runRoutes,
  reportRoutes,
  stepRoutes,
  statisticsRoutes,
  datasetRoutes,
  recipeRoutes,
  previewRoutes,
  fleetRoutes,
];

const ABOUT = `Runs, their batches and the fleet. Send a token as \`Authorization: Bearer …\` where the service has tokens. Errors
are application/problem+json with the codes of docs/errors.md. Lists have pages: \`next_cursor\` of one is \`cursor\` of the next.`;

/** Registers the HTTP API, its OpenAPI document, and a page to try it. */
export async function registerApi(app: FastifyInstance, context: ApiContext): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Cropstream', version: VERSION, description: ABOUT },
      servers: [],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => withoutUnused(jsonSchemaTransformObject(document)),
  });
  await app.register(
    async (scope) => {
      // Errors name the field, as those of specs do.
      scope.setValidatorCompiler<z.ZodType>(({ schema, httpPart }) => (input) => {
        try {
          return { value: parseField(schema, input, httpPart === 'body' ? '' : undefined) };
        } catch (error) {
          return { error: error as Error };
        }
      });
      scope.setSerializerCompiler(serializerCompiler);
      await scope.register(rateLimit, {
        max: context.limits.requestsPerMinute,
        timeWindow: 60_000,
        keyGenerator: ({ principal, ip }) =>
          context.access.secured && principal ? `${principal.owner} ${principal.name}` : ip,
        errorResponseBuilder: (_, { max, ttl }) =>
          failure('RATE_LIMITED', { limit: max, seconds: Math.ceil(ttl / 1000) }),
      });
      scope.addHook('onRoute', (route) => {
        const { schema } = route;
        if (schema?.response) {
          schema.response = { ...schema.response, default: { description: 'An error.', ...PROBLEM } };
        }
      });
      const routes = typed(scope);
      for (const register of ROUTES) register(routes, context);
      observeApi(context, eventRoutes(routes, context));
    },
    { prefix: API_PREFIX },
  );
  // Neither says anything of what is served: a browser comes for the page without a token.
  app.get(`${API_PREFIX}/openapi.json`, { config: { access: 'anyone' }, schema: { hide: true } }, async () =>
    app.swagger(),
  );
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: 'anyone' };
    });
    scope.addHook('onSend', async (_, reply) => {
      const policy = String(reply.getHeader('content-security-policy'));
      reply.header('content-security-policy', `${policy};style-src 'self' 'unsafe-hashes' ${PAGE_STYLE}`);
    });
    await scope.register(swaggerUi, {
      routePrefix: '/api/docs',
      // Without the bar that would show other hosts' documents.
      uiConfig: { layout: 'BaseLayout', persistAuthorization: false },
      theme: { title: 'Cropstream HTTP API' },
    });
  });
}

/** Of the one style attribute that swagger-ui's own markup has: it hides its icons' definitions. */
const PAGE_STYLE = "'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='";
const PROBLEM = { content: { 'application/problem+json': { schema: problemSchema } } };
/** What /events sends: the document has their schemas, though no answer is one of them as a whole. */
const EVENTS = [fleetEventSchema, runEventSchema, goneEventSchema].map((schema) => schema.meta()?.id ?? '');

type OpenApi = ReturnType<typeof jsonSchemaTransformObject>;

/** Without schemas that nothing in it refers to: each comes as input and as output, and most are only one of them. */
function withoutUnused(document: OpenApi): OpenApi {
  const { components, paths } = document as {
    readonly components?: { readonly schemas?: Readonly<Record<string, object>> };
    readonly paths?: object;
  };
  const all = components?.schemas ?? {};
  const used = new Set<string>();
  const keep = (name: string) => {
    if (used.has(name)) return;
    used.add(name);
    keepAllIn(all[name]);
  };
  const keepAllIn = (part: object | undefined) => {
    const references = JSON.stringify(part ?? {}).matchAll(/"#\/components\/schemas\/([^"]+)"/g);
    for (const [, name = ''] of references) keep(name);
  };
  keepAllIn(paths);
  EVENTS.forEach(keep);
  const schemas = Object.fromEntries(Object.entries(all).filter(([name]) => used.has(name)));
  return { ...document, components: { ...components, schemas } } as OpenApi;
}
