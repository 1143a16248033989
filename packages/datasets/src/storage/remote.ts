import { setMaxListeners } from 'node:events';
import { newStorageCounts, type StorageCounts } from './counts.js';
import { pausesFor, retrying } from './retry.js';
import { StorageError, type StorageErrorKind } from './storage.js';

/** Bounds on what a remote storage is asked. */
export interface RemoteLimits {
  /** A call is tried again for so long, milliseconds; then it fails. */
  readonly retryMs: number;
  /** Requests to one storage at once; further ones wait. */
  readonly maxRequests: number;
  /** A request during which nothing comes for so long, its connecting included, is ended and tried again. */
  readonly silenceMs: number;
}

/** For commands and for indexing: a person waits. Workers try for longer. */
export const DEFAULT_REMOTE_LIMITS: RemoteLimits = { retryMs: 10_000, maxRequests: 32, silenceMs: 10_000 };

/** That a storage is away, or that it is there again: for a log. */
export interface StorageNews {
  readonly url: string;
  /** Why nothing can be read; null: it can be again. */
  readonly away: string | null;
  /** For how long nothing could be read by now. */
  readonly seconds: number;
}

export interface RemoteOptions extends Partial<RemoteLimits> {
  readonly counts?: StorageCounts;
  /** Told once when a storage is away, and once when it is there again; not of failures between successes. */
  readonly tell?: (news: StorageNews) => void;
}

/** A storage whose every request failed for so long is away. */
const AWAY_MS = 1_000;

/** One try of a call. */
export interface Attempt {
  /** Aborted with the caller's signal, or when nothing came for too long. */
  readonly signal: AbortSignal;
  /** To be called whenever something came. */
  alive(): void;
}

/** What an adapter makes of an error: what it means, whether it may pass, and how to say it. */
export interface RemoteFailure {
  readonly kind: StorageErrorKind;
  readonly mayPass: boolean;
  readonly reason: string;
}

/** The calls of one remote storage: so many at once, each tried again while its failure may pass. */
export class RemoteCalls {
  readonly counts: StorageCounts;
  readonly #limits: RemoteLimits;
  readonly #waiting: (() => void)[] = [];
  readonly #tell: (news: StorageNews) => void;
  #free: number;
  /** When the first request failed since the last success. */
  #failingSince: number | undefined;
  #isAway = false;

  constructor(
    private readonly url: string,
    private readonly failureOf: (error: unknown) => RemoteFailure,
    { counts = newStorageCounts(), tell = () => {}, ...limits }: RemoteOptions,
  ) {
    this.counts = counts;
    this.#tell = tell;
    this.#limits = { ...DEFAULT_REMOTE_LIMITS, ...limits };
    this.#free = this.#limits.maxRequests;
  }

  /** @throws StorageError, or the signal's reason when it is aborted */
  async call<T>(
    path: string,
    signal: AbortSignal | undefined,
    request: (attempt: Attempt) => Promise<T>,
  ): Promise<T> {
    const began = performance.now();
    let failures = 0;
    const mayPass = (error: unknown) => {
      if (signal?.aborted) return false;
      const { mayPass, reason } = this.#judge(error);
      if (!mayPass) return false;
      failures++;
      this.counts.retries++;
      this.#failed(reason);
      return true;
    };
    try {
      const pauses = pausesFor(this.#limits.retryMs);
      return await retrying(() => this.#attempt(request, signal), mayPass, { pauses, signal });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof StorageError) throw error;
      const { kind, reason } = this.#judge(error);
      const tried =
        failures === 0
          ? ''
          : ` (tried ${failures + 1} times in ${((performance.now() - began) / 1000).toFixed(1)} s)`;
      throw new StorageError(kind, path, reason + tried, { cause: error });
    }
  }

  #failed(reason: string): void {
    this.#failingSince ??= performance.now();
    const ms = performance.now() - this.#failingSince;
    if (this.#isAway || ms < AWAY_MS) return;
    this.#isAway = true;
    this.#tell({ url: this.url, away: reason, seconds: ms / 1000 });
  }

  #succeeded(): void {
    if (this.#isAway) {
      const seconds = (performance.now() - (this.#failingSince as number)) / 1000;
      this.#tell({ url: this.url, away: null, seconds });
    }
    this.#isAway = false;
    this.#failingSince = undefined;
  }

  #judge(error: unknown): RemoteFailure {
    if (error instanceof Silence || error instanceof CutShort) {
      return { kind: 'io', mayPass: true, reason: error.message };
    }
    if (error instanceof StorageError) return { kind: error.kind, mayPass: false, reason: error.reason };
    return this.failureOf(error);
  }

  async #attempt<T>(request: (attempt: Attempt) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((enter) => this.#waiting.push(enter));
    const stop = new AbortController();
    const abort = () => stop.abort(signal?.reason);
    // Whoever calls shares one signal among many calls: Node would take its listeners for a leak.
    if (signal) setMaxListeners(0, signal);
    const timer = setTimeout(() => stop.abort(new Silence(this.#limits.silenceMs)), this.#limits.silenceMs);
    try {
      signal?.throwIfAborted();
      signal?.addEventListener('abort', abort, { once: true });
      this.counts.requests++;
      const answer = await request({ signal: stop.signal, alive: () => void timer.refresh() });
      this.#succeeded();
      return answer;
    } catch (error) {
      // What a library makes of an abort says less than why it was aborted.
      throw stop.signal.aborted ? stop.signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

class Silence extends Error {
  constructor(ms: number) {
    super(`no answer for ${ms / 1000} s`);
  }
}

/** A connection ended before the body did, and nothing else said so. */
class CutShort extends Error {}

/** What an answer to a read says of itself. */
export interface RangeAnswer {
  /** The body's bytes; undefined where the server does not say. */
  readonly bytes: number | undefined;
  /** `bytes 0-99/1000`; undefined where the whole is sent. */
  readonly contentRange: string | undefined;
  readonly version: string | undefined;
  /** A stream that is not read to its end is to be closed by whoever opened it. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** The Range header of a read; undefined for the whole file. */
export function rangeHeader(offset: number, length: number | undefined): string | undefined {
  if (offset === 0 && length === undefined) return undefined;
  return `bytes=${offset}-${length === undefined ? '' : offset + length - 1}`;
}

/**
 * The body of an answer, once it is sure that it is what was asked for.
 *
 * @throws StorageError `changed` for another version, `io` where a range was asked for and the whole is sent
 */
export async function readBody(
  path: string,
  asked: {
    readonly offset: number;
    readonly length: number | undefined;
    readonly version: string | undefined;
  },
  answer: RangeAnswer,
  alive: () => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const { offset, length = Number.POSITIVE_INFINITY, version } = asked;
  const { bytes, contentRange, body } = answer;
  if (version !== undefined && answer.version !== undefined && answer.version !== version) {
    throw new StorageError('changed', path, changedReason(version));
  }
  const start = contentRange === undefined ? 0 : Number(/^bytes (\d+)-/.exec(contentRange)?.[1]);
  if (start !== offset || (bytes ?? 0) > length) {
    const reason = 'the server does not answer requests for a part of a file, which this source needs';
    throw new StorageError('io', path, reason);
  }
  const whole = new Uint8Array(new ArrayBuffer(bytes ?? 0));
  const pieces: Uint8Array[] = [];
  let filled = 0;
  for await (const piece of body) {
    alive();
    filled += piece.length;
    if (filled > (bytes ?? length)) throw new CutShort('more bytes came than were announced');
    if (bytes === undefined) pieces.push(piece);
    else whole.set(piece, filled - piece.length);
  }
  if (bytes === undefined) return Uint8Array.from(Buffer.concat(pieces));
  if (filled < bytes) throw new CutShort(`the connection ended after ${filled} of ${bytes} bytes`);
  return whole;
}

export function changedReason(version: string): string {
  return `was replaced: it no longer has the ETag ${version}`;
}

/** Codes of connections that could not be made or that broke. */
const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);

/** What an error without an HTTP status means. */
export function connectionFailure(error: unknown): RemoteFailure {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (!('code' in cause)) continue;
    // An attempt at several addresses fails with an empty message and their common code.
    return {
      kind: 'io',
      mayPass: CONNECTION_CODES.has(String(cause.code)),
      reason: cause.message || String(cause.code),
    };
  }
  return { kind: 'io', mayPass: false, reason: error instanceof Error ? error.message : String(error) };
}

/** Whether an answer with this HTTP status may be another one later. */
export function statusMayPass(status: number): boolean {
  return status >= 500 || status === 408 || status === 429;
}
