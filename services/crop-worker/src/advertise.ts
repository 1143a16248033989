import { connect } from 'node:net';
import { type Clock, type RedisAccess, redisAddress, sleep } from '@cropstream/runtime';
import type { Log } from './worker/events.js';

const WILDCARDS = new Set(['0.0.0.0', '::', '[::]', '*']);
const TRY_MS = 3_000;
const RETRY_MS = 1_000;

export interface AdvertiseOptions {
  /** What the operator said. */
  readonly advertise: string | undefined;
  /** Where the worker listens. */
  readonly host: string;
  readonly redis: RedisAccess;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** @default waits for ever */
  readonly signal?: AbortSignal;
}

/**
 * By what the fleet reaches this machine: what the operator said; the address listened on; or, where that is all of
 * them, the one from which this machine reaches Redis, which the whole fleet shares. Waits for Redis in that case. A
 * guess all the same: coordinators dial it before the worker may join.
 */
export async function advertisedHost(options: AdvertiseOptions): Promise<string> {
  const { advertise, host, redis, clock, log, signal } = options;
  if (advertise !== undefined) return advertise;
  if (!WILDCARDS.has(host)) return host;
  for (let warned = false; ; warned = true) {
    signal?.throwIfAborted();
    try {
      const address = await ownAddressTowards(redisAddress(redis));
      log.info(
        { address },
        'advertising the address from which Redis is reached: CROPSTREAM_ADVERTISE is unset',
      );
      return address;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!warned) log.warn({ reason }, "waiting for Redis, to learn this machine's address");
      await sleep(clock, RETRY_MS, signal);
    }
  }
}

function ownAddressTowards(address: { readonly host: string; readonly port: number }): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...address, timeout: TRY_MS });
    socket.once('connect', () => {
      // An IPv4 peer of a socket for both versions.
      resolve((socket.localAddress ?? '').replace(/^::ffff:/, ''));
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new Error(`no answer in ${TRY_MS / 1000} s`)));
    socket.once('error', reject);
  });
}
