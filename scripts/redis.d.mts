export interface FoundRedis {
  readonly url: string;
  stop(): Promise<unknown>;
}

export interface RedisServer extends FoundRedis {
  /** Where its files lie. */
  readonly folder: string;
  readonly pid: number;
  /** Starts it again after `kill`, on the same port and files; resolves when it answers. */
  start(): Promise<void>;
  /** Resolves when the process is gone. @default 'SIGKILL' */
  kill(signal?: NodeJS.Signals): Promise<void>;
  signal(signal: NodeJS.Signals): boolean;
  /** Resolves when what was written so far is in the operating system's hands, so that SIGKILL cannot lose it. */
  written(): Promise<void>;
}

export function findRedis(): Promise<FoundRedis | { readonly missing: string }>;
export function findRedisServer(): { readonly path: string } | { readonly missing: string };
export function startRedisServer(options?: { readonly args?: readonly string[] }): Promise<RedisServer>;
/** Nodes of one cluster, without replicas; resolves when each of them serves its share of the slots. Redis 7. */
export function startRedisCluster(size: number): Promise<readonly RedisServer[]>;
/** A master `main` with a replica, watched by three Sentinels on `ports`, over TLS. Paths are of PEM files. Redis 7. */
export function startRedisSentinels(options: {
  readonly password: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
}): Promise<{
  readonly master: RedisServer;
  readonly replica: RedisServer;
  readonly ports: readonly number[];
  stop(): Promise<unknown>;
}>;
/** What Redis answers to a command of one line, as it comes over the wire. For short answers. */
export function ask(url: string, line: string, password?: string): Promise<string>;
