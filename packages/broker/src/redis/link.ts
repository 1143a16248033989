import { createHash } from 'node:crypto';
import { CropstreamError, failure } from '@cropstream/errors';
import { type RedisAccess, redactUrl, sleep, systemClock } from '@cropstream/runtime';
import { Cluster, Redis, type RedisOptions as RedisClientOptions } from 'ioredis';

/** Where what happens to the connection is told. */
export interface RedisLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** One Redis, or a Redis Cluster. */
export type RedisClient = Redis | Cluster;

export interface RedisOptions extends RedisAccess {
  /**
   * Begins every key, within the braces that Redis Cluster hashes: two fleets on one Redis each have their own.
   *
   * @default 'cropstream'
   */
  readonly prefix?: string;
  /** @default silent */
  readonly log?: RedisLog;
  /**
   * How long opening waits for Redis to answer.
   *
   * @default 10_000
   */
  readonly connectMs?: number;
}

/** A command that is not answered in so long has failed. Redis answers in less than a millisecond or is in trouble. */
const COMMAND_MS = 2_000;
/** A connection over which nothing comes for so long while an answer is due is made anew. */
const SOCKET_MS = 5_000;
/** The longest pause between tries to connect: half a beat, so that nobody is late to be heard after an outage. */
const RECONNECT_MS = 250;
/** What Redis answers where another try may succeed: it starts, fails over, saves, or is full. */
const PASSING =
  /^(LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|BUSY|MISCONF|OOM|NOREPLICAS|NOAUTH|WRONGPASS|NOPERM)\b/;

/** A Lua script with the names of the keys it is given, in order. */
export interface Script<Key extends string = string> {
  readonly keys: readonly Key[];
  readonly lua: string;
  readonly sha: string;
}

/** Makes a script in which each key is a local variable of its name. */
export function script<const Key extends string>(keys: readonly Key[], body: string): Script<Key> {
  const locals = keys.map((key, i) => `local ${key} = KEYS[${i + 1}]\n`).join('');
  const lua = `${locals}${body}`;
  return { keys, lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/**
 * A connection to Redis that fails quickly: while Redis is away every call throws STORE_UNAVAILABLE at once, and
 * succeeds again when it is back. Nothing is queued or sent twice by itself: whoever calls knows what is still true.
 */
export class RedisLink {
  readonly target: string;
  readonly prefix: string;
  #closed = false;
  readonly #log: RedisLog | undefined;
  readonly #clients = new Set<RedisClient>();

  private constructor(
    options: RedisOptions,
    readonly client: RedisClient,
  ) {
    this.target = redactUrl(options.url);
    this.prefix = options.prefix ?? 'cropstream';
    this.#log = options.log;
    this.#watch(client);
  }

  /** @throws STORE_UNAVAILABLE where Redis does not answer within `connectMs` */
  static async open(options: RedisOptions): Promise<RedisLink> {
    const node = nodeAt(options);
    const link = await RedisLink.#connected(options, node);
    let isCluster: boolean;
    try {
      isCluster = /cluster_enabled:1/.test(await link.call(() => node.info('cluster')));
    } catch (error) {
      link.close();
      throw error;
    }
    if (!isCluster) return link;
    link.close();
    const cluster = clusterOf(node);
    const whole = await RedisLink.#connected(options, cluster);
    try {
      // Nodes are connected to when they are first needed, and refuse what else comes before they are.
      await whole.call(() => Promise.all(cluster.nodes('master').map((each) => each.ping())));
      return whole;
    } catch (error) {
      whole.close();
      throw error;
    }
  }

  static async #connected(options: RedisOptions, client: RedisClient): Promise<RedisLink> {
    const link = new RedisLink(options, client);
    let last: unknown;
    client.on('error', (error) => {
      last = error;
    });
    const ready = new Promise<true>((resolve) => client.once('ready', () => resolve(true)));
    client.connect().catch(() => undefined);
    const tooLate = new AbortController();
    const answered = await Promise.race([
      ready,
      sleep(systemClock, options.connectMs ?? 10_000, tooLate.signal).then(() => false),
    ]);
    tooLate.abort();
    if (answered) return link;
    link.close();
    throw link.unavailable(last);
  }

  /** Whether commands can be sent now. */
  get isReady(): boolean {
    return this.client.status === 'ready';
  }

  /** A further connection for what listens: it waits through outages by itself. */
  listening(): RedisClient {
    return this.#further({ maxRetriesPerRequest: null });
  }

  /** A further connection for commands that block, for less than some seconds; it fails as quickly as the first. */
  blocking(): RedisClient {
    return this.#further({ socketTimeout: SOCKET_MS });
  }

  /** Runs a script, sending its text only where Redis does not know it yet. */
  async run<Key extends string>(
    { keys, lua, sha }: Script<Key>,
    nameOf: (key: Key) => string,
    args: readonly (string | number)[],
  ): Promise<unknown> {
    const names = keys.map(nameOf);
    return this.call(async (client) => {
      try {
        return await client.evalsha(sha, names.length, ...names, ...args);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return client.eval(lua, names.length, ...names, ...args);
      }
    });
  }

  /** Makes calls of the client, their errors those of the table. */
  async call<T>(calls: (client: RedisClient) => Promise<T>): Promise<T> {
    if (this.#closed) throw failure('SHUTTING_DOWN', {});
    try {
      return await calls(this.client);
    } catch (error) {
      throw this.#closed ? failure('SHUTTING_DOWN', {}) : this.failureOf(error);
    }
  }

  failureOf(error: unknown): CropstreamError {
    if (error instanceof CropstreamError) return error;
    if (error instanceof Error && error.name === 'ReplyError' && !PASSING.test(error.message)) {
      return failure('INTERNAL', { reason: `Redis: ${error.message}` }, { cause: error });
    }
    return this.unavailable(error);
  }

  unavailable(error: unknown): CropstreamError {
    return failure('STORE_UNAVAILABLE', { target: this.target, reason: reasonOf(error) }, { cause: error });
  }

  /** Ends every connection at once, whether Redis is there or not. */
  close(): void {
    this.#closed = true;
    for (const client of this.#clients) client.disconnect();
  }

  #further(options: Pick<RedisClientOptions, 'maxRetriesPerRequest' | 'socketTimeout'>): RedisClient {
    const { client: first } = this;
    const node = { commandTimeout: undefined, socketTimeout: undefined, ...options };
    const connection = { lazyConnect: false, enableOfflineQueue: true };
    const client =
      first instanceof Cluster
        ? first.duplicate([], {
            ...connection,
            redisOptions: { ...nodeOf(first.options.redisOptions), ...node },
          })
        : first.duplicate({ ...connection, ...node });
    this.#watch(client);
    return client;
  }

  /** Without a listener an error would end the process. Says once that Redis is away, and once that it is back. */
  #watch(client: RedisClient): void {
    this.#clients.add(client);
    let away = false;
    client.on('error', (error) => {
      if (away || this.#closed || client !== this.client) return;
      away = true;
      this.#log?.warn({ target: this.target, reason: reasonOf(error) }, 'Redis is away');
    });
    client.on('ready', () => {
      if (away && client === this.client) this.#log?.info({ target: this.target }, 'Redis is back');
      away = false;
    });
    client.on('end', () => this.#clients.delete(client));
  }
}

const reconnectAfter = (times: number) => Math.min(25 * times, RECONNECT_MS);

/** How each node is connected to. */
const NODE = {
  lazyConnect: true,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: COMMAND_MS,
  socketTimeout: SOCKET_MS,
  connectTimeout: COMMAND_MS,
  keepAlive: 10_000,
  // Redis foretells how long it will still load, and errs by a lot at the beginning.
  maxLoadingRetryTime: RECONNECT_MS,
  // A demoted master refuses writes: the name leads to the new one by now.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
} satisfies RedisClientOptions;

/** The one node that `options` lead to, not connected to yet. */
function nodeAt({ url, password, sentinels, sentinelPassword, ca }: RedisAccess): Redis {
  const tls = new URL(url).protocol === 'rediss:' ? (ca === undefined ? {} : { ca }) : undefined;
  return new Redis(url, {
    ...NODE,
    enableOfflineQueue: false,
    retryStrategy: reconnectAfter,
    ...(password !== undefined && { password }),
    ...(tls && { tls }),
    ...(sentinels && {
      sentinels: [...sentinels],
      name: new URL(url).hostname,
      sentinelRetryStrategy: reconnectAfter,
      ...(sentinelPassword !== undefined && { sentinelPassword }),
      ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    }),
  });
}

/** What every node of a cluster is connected with, besides its address. */
function nodeOf({ username, password, tls }: Pick<RedisClientOptions, 'username' | 'password' | 'tls'> = {}) {
  return {
    ...NODE,
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
    ...(tls ? { tls } : {}),
  };
}

/** The cluster that a node is of, over connections like that node's. */
function clusterOf(node: Redis): Cluster {
  const { host, port } = node.options;
  return new Cluster([{ host, port }], {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: reconnectAfter,
    // What a node was sent that went away since may have been done: whoever called knows what is still true.
    retryDelayOnFailover: 0,
    // Certificates are made out to the names that nodes announce.
    dnsLookup: (address, callback) => callback(null, address),
    slotsRefreshTimeout: COMMAND_MS,
    redisOptions: nodeOf(node.options),
  });
}

/** Node's own errors of a name with several addresses have no message but a code. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it did not answer in time';
  const { code } = error as NodeJS.ErrnoException;
  if (error.message === '') return code ?? error.name;
  return /enableOfflineQueue|max retries per request|Connection is closed/.test(error.message)
    ? 'the connection is down'
    : error.message;
}
