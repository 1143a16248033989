import type { TransformRegistry } from '@cropstream/augment';
import type { Broker, Store } from '@cropstream/broker';
import type { SourceRegistry } from '@cropstream/datasets';
import type { Access, Clock } from '@cropstream/runtime';
import type { FastifyInstance, FastifyReply } from '@cropstream/runtime/http';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { CoordinatorLimits } from '../limits.js';
import type { RunCatalog } from '../runs.js';
import type { Studio } from '../studio/studio.js';

/** What the routes work with. */
export interface ApiContext {
  /** Of this coordinator. */
  readonly id: string;
  readonly catalog: RunCatalog;
  readonly store: Store;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly access: Access;
  readonly log: Logger;
  readonly registry: Registry;
  readonly limits: CoordinatorLimits;
  readonly transforms: TransformRegistry;
  readonly sources: SourceRegistry | undefined;
  /** Where pixels are made. */
  readonly studio: Studio;
  /** What demand asks for; null while that is not known. */
  readonly desiredWorkers: () => number | null;
}

/** Registers the routes of one resource; `app` has the API's prefix and checks by zod schemas. */
export type Routes = (app: ApiApp, context: ApiContext) => void;

export type ApiApp = ReturnType<typeof typed>;
export const typed = (app: FastifyInstance) => app.withTypeProvider<ZodTypeProvider>();

/** A body that is no JSON. */
export const BINARY = z.unknown().meta({ type: 'string', format: 'binary' });

/** Who may change runs and look into their samples. */
export const OPERATORS = { access: ['operator'] } as const;
/** Who may see runs and open them. */
export const DRAWING = { access: ['operator', 'trainer'] } as const;

/** Aborts when whoever asked is gone before the answer. */
export function whileAsked({ raw }: Pick<FastifyReply, 'raw'>): AbortSignal {
  const gone = new AbortController();
  raw.once('close', () => gone.abort());
  return gone.signal;
}
