import { failure } from '@cropstream/errors';
import type { z } from 'zod';
import { readPem } from './security.js';
import { addressesVariable, pemFileVariable, secretVariable, urlVariable } from './variables.js';

/** Where the fleet's Redis is and how it is spoken to. */
export interface RedisAccess {
  /**
   * `redis://` or `rediss://`, with user, password and database where there are any. Of a Redis Cluster the address of
   * any node: the others are learnt from it. With `sentinels` its host is the name of the master that they watch.
   */
  readonly url: string;
  /** Replaces the one in `url`. */
  readonly password?: string | undefined;
  /** Asked for the master's address, one after the other. */
  readonly sentinels?: readonly { readonly host: string; readonly port: number }[] | undefined;
  /** The Sentinels' own. */
  readonly sentinelPassword?: string | undefined;
  /** PEM: who must have signed the certificates of Redis and its Sentinels. @default the well-known authorities */
  readonly ca?: string | undefined;
}

const SENTINEL_PORT = 26_379;

/** The variables of a service that say where Redis is. */
export const redisVariables = {
  REDIS_URL: urlVariable(['redis:', 'rediss:']).describe(
    "The fleet's Redis, with user and password where it has them; `rediss:` is TLS",
  ),
  REDIS_PASSWORD: secretVariable().optional().describe('The password, in place of the one in `REDIS_URL`'),
  REDIS_SENTINELS: addressesVariable(SENTINEL_PORT)
    .optional()
    .describe('Sentinels to ask for the master, whose name as they know it is the host in `REDIS_URL`'),
  REDIS_SENTINEL_PASSWORD: secretVariable().optional().describe("The Sentinels' password"),
  REDIS_TLS_CA: pemFileVariable('certificates')
    .optional()
    .describe('The authorities of the certificates of Redis and its Sentinels. Unset: the well-known ones'),
};

/** @throws CONFIG_INVALID naming the variable */
export function redisAccess(config: z.output<z.ZodObject<typeof redisVariables>>): RedisAccess {
  const { REDIS_URL: url, REDIS_TLS_CA: ca } = config;
  if (ca !== undefined && new URL(url).protocol !== 'rediss:') {
    const allowed = 'a URL that begins with rediss:// beside REDIS_TLS_CA';
    throw failure('CONFIG_INVALID', {
      variable: 'REDIS_URL',
      value: 'one without TLS',
      allowed,
      default: 'none',
    });
  }
  return {
    url,
    password: config.REDIS_PASSWORD,
    sentinels: config.REDIS_SENTINELS,
    sentinelPassword: config.REDIS_SENTINEL_PASSWORD,
    ca: ca === undefined ? undefined : readPem('REDIS_TLS_CA', ca),
  };
}

/** What is connected to first: Redis itself, or the first Sentinel. */
export function redisAddress({ url, sentinels }: RedisAccess): {
  readonly host: string;
  readonly port: number;
} {
  const [first] = sentinels ?? [];
  if (first) return first;
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) };
}
