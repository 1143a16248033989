import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { loadConfig } from './config.js';
import { DEFAULT_GRPC_LIMITS, GRPC_LIMITS, type GrpcLimits } from './grpc-limits.js';
import { DEFAULT_HTTP_LIMITS, HTTP_LIMITS, type HttpLimits } from './http/limits.js';
import { LOG_LEVELS } from './log.js';
import { redisVariables } from './redis-access.js';
import { serverSecurityVariables } from './security.js';
import {
  bytesVariable,
  choiceVariable,
  durationVariable,
  integerVariable,
  listVariable,
  nameVariable,
  portVariable,
  textVariable,
} from './variables.js';

/** The variables that both services have. */
export function serviceVariables(ports: { readonly grpc: number; readonly http: number }) {
  return {
    ...redisVariables,
    CROPSTREAM_PREFIX: nameVariable()
      .default('cropstream')
      .describe('Begins every key in Redis: two fleets on one Redis each have their own'),
    CROPSTREAM_HOST: textVariable('a host name or an IP address')
      .default('127.0.0.1')
      .describe('Where to listen; 0.0.0.0 lets other machines in'),
    CROPSTREAM_PORT: portVariable().default(ports.grpc).describe('gRPC; 0: any free one'),
    CROPSTREAM_HTTP_PORT: portVariable()
      .default(ports.http)
      .describe('/healthz, /readyz and /metrics over HTTP; 0: any free one'),
    ...serverSecurityVariables,
    CROPSTREAM_TRANSFORMS: listVariable('paths of ES modules, separated by commas')
      .optional()
      .describe("Third-party transforms' modules: the same on every coordinator and worker"),
    CROPSTREAM_SOURCES: listVariable('paths of ES modules, separated by commas')
      .optional()
      .describe("Third-party sources' modules: the same on every coordinator and worker"),
    CROPSTREAM_GRACE: durationVariable()
      .prefault('30s')
      .describe('How long a stop on SIGTERM waits for what is under way'),
    CROPSTREAM_LOG_LEVEL: choiceVariable(LOG_LEVELS).default('info').describe('What is logged'),
    ...transportVariables(),
  };
}

/**
 * What clients of its ports may take, for a process that has no other variables.
 * @throws CONFIG_INVALID
 */
export function loadTransportLimits(env: Readonly<Record<string, string | undefined>>): {
  readonly grpc: Partial<GrpcLimits>;
  readonly http: Partial<HttpLimits>;
} {
  return transportLimits(loadConfig(z.object(transportVariables()), env));
}

/** The limits of the ports in a service's configuration. */
export function transportLimits(config: Readonly<Record<string, unknown>>): {
  readonly grpc: Partial<GrpcLimits>;
  readonly http: Partial<HttpLimits>;
} {
  return { grpc: limitsOf(config, GRPC_LIMITS), http: limitsOf(config, HTTP_LIMITS) };
}

function transportVariables() {
  return {
    ...limitVariables(DEFAULT_GRPC_LIMITS, GRPC_LIMITS),
    ...limitVariables(DEFAULT_HTTP_LIMITS, HTTP_LIMITS),
  };
}

/** Where a service keeps what it can make or fetch again, unless told otherwise. */
export function defaultCacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const base = env.XDG_CACHE_HOME || (env.HOME ? join(env.HOME, '.cache') : tmpdir());
  return join(base, 'cropstream');
}

/** Of each limit: the variable that sets it, and what it bounds. */
export type LimitTable<L> = { readonly [K in keyof L]: readonly [variable: string, description: string] };

type Limits<L> = { readonly [K in keyof L]: number };

/** A variable for each limit. A limit's name tells its unit: `…Ms`, `…Bytes`, or else a count. */
export function limitVariables<L extends Limits<L>>(
  defaults: L,
  table: LimitTable<L>,
): Record<string, z.ZodType<number>> {
  return Object.fromEntries(
    keysOf(table).map((limit) => {
      const [variable, description] = table[limit];
      return [variable, typeOf(String(limit), defaults[limit]).describe(description)];
    }),
  );
}

/** The limits that a configuration sets. */
export function limitsOf<L extends Limits<L>>(
  config: Readonly<Record<string, unknown>>,
  table: LimitTable<L>,
): Partial<L> {
  return Object.fromEntries(
    keysOf(table).flatMap((limit) => {
      const value = config[table[limit][0]];
      return value === undefined ? [] : [[limit, value]];
    }),
  ) as Partial<L>;
}

function keysOf<L>(table: LimitTable<L>): (keyof L)[] {
  return Object.keys(table) as (keyof L)[];
}

function typeOf(limit: string, value: number): z.ZodType<number> {
  if (limit.endsWith('Ms'))
    return durationVariable().prefault(value % 1000 ? `${value}ms` : `${value / 1000}s`);
  if (limit.endsWith('Bytes')) {
    const mebibytes = value / 2 ** 20;
    return bytesVariable().prefault(Number.isInteger(mebibytes) ? `${mebibytes}MiB` : String(value));
  }
  return integerVariable(1).default(value);
}
