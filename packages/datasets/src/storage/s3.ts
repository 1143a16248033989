import { Readable } from 'node:stream';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { encodePath, joinPath, whyUnsafe } from '../paths.js';
import {
  changedReason,
  connectionFailure,
  DEFAULT_REMOTE_LIMITS,
  RemoteCalls,
  type RemoteFailure,
  type RemoteOptions,
  rangeHeader,
  readBody,
  statusMayPass,
} from './remote.js';
import { safePath } from './safe-path.js';
import {
  type FileStat,
  type FolderListing,
  type ListOptions,
  type ReadOptions,
  type Storage,
  StorageError,
} from './storage.js';

type Sdk = typeof import('@aws-sdk/client-s3');

interface Connection {
  readonly sdk: Sdk;
  readonly client: S3Client;
}

export interface S3Options extends RemoteOptions {
  /** Where the URL has a scheme of its own: what it means for the client. @default by the SDK's own conventions */
  readonly client?: S3ClientConfig;
}

/** Objects under a prefix of a bucket, `/` in their keys taken for folders. */
export class S3Storage implements Storage {
  readonly url: string;
  readonly cacheKey: string;
  readonly #bucket: string;
  /** '', or ends with a slash. */
  readonly #prefix: string;
  readonly #options: S3Options;
  readonly #calls: RemoteCalls;
  #connection: Promise<Connection> | undefined;
  /** Whether a call has succeeded. */
  #hasAnswered = false;

  /** @param prefix of the keys, without a slash at its end; '' for the whole bucket */
  constructor(url: string, bucket: string, prefix: string, options: S3Options = {}) {
    this.url = url;
    this.#bucket = bucket;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
    this.#options = options;
    this.#calls = new RemoteCalls(
      url,
      (error) => {
        const failed = s3Failure(error, bucket);
        // Credentials that there were come back: who provides them is busy, or away for a moment.
        return this.#hasAnswered && isUnprovided(error) ? { ...failed, mayPass: true } : failed;
      },
      options,
    );
    const { AWS_PROFILE = '' } = process.env;
    const endpoint = options.client?.endpoint ?? endpointOf(process.env) ?? `profile ${AWS_PROFILE}`;
    this.cacheKey = `s3 ${endpoint} ${bucket}/${this.#prefix}`;
  }

  async list(folder: string, options: ListOptions = {}): Promise<FolderListing> {
    const { accept, skipped, found, signal } = options;
    const prefix = folder === '' ? this.#prefix : `${this.#keyOf(folder)}/`;
    const folders: string[] = [];
    const names: string[] = [];
    const sizes: number[] = [];
    let isThere = prefix === '';
    for (let token: string | undefined, first = true; first || token !== undefined; first = false) {
      const page = await this.#page(folder, { prefix, token, signal });
      for (const { Prefix = '' } of page.CommonPrefixes ?? []) {
        isThere = true;
        const name = Prefix.slice(prefix.length, -1);
        const unsafe = whyUnsafe(encodePath(name));
        if (unsafe === null) folders.push(name);
        else skipped?.(joinPath(folder, name), `its key is not a path: ${unsafe}`);
      }
      let bytes = 0;
      const before = names.length;
      for (const { Key = '', Size = 0 } of page.Contents ?? []) {
        isThere = true;
        const name = Key.slice(prefix.length);
        // Some tools make an empty object of a folder's own name.
        if (name === '' || (accept && !accept(name))) continue;
        const unsafe = whyUnsafe(encodePath(name));
        if (unsafe !== null) {
          skipped?.(joinPath(folder, name), `its key is not a path: ${unsafe}`);
          continue;
        }
        names.push(name);
        sizes.push(Size);
        bytes += Size;
      }
      if (names.length > before) found?.(names.length - before, bytes);
      token = page.NextContinuationToken;
    }
    if (!isThere) throw new StorageError('not-found', folder, this.#nothing(prefix));
    return { folders, names, sizes: Float64Array.from(sizes) };
  }

  async stat(path: string, signal?: AbortSignal): Promise<FileStat> {
    if (path === '') {
      const page = await this.#page(path, { prefix: this.#prefix, token: undefined, signal, most: 1 });
      if (this.#prefix === '' || (page.KeyCount ?? 0) > 0) return { size: 0 };
      throw new StorageError('not-found', path, this.#nothing(this.#prefix));
    }
    const Key = this.#keyOf(path);
    return this.#call(path, signal, async ({ client, sdk }, { signal: abortSignal }) => {
      const command = new sdk.HeadObjectCommand({ Bucket: this.#bucket, Key });
      const { ContentLength, ETag } = await client.send(command, { abortSignal });
      if (ContentLength === undefined)
        throw new StorageError('io', path, 'the server does not tell its size');
      return { size: ContentLength, ...(ETag !== undefined && { version: ETag }) };
    });
  }

  async read(
    path: string,
    { offset = 0, length, version, signal }: ReadOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const Key = this.#keyOf(path);
    if (length === 0) return new Uint8Array(new ArrayBuffer(0));
    const bytes = await this.#call(path, signal, async ({ client, sdk }, { signal: abortSignal, alive }) => {
      const Range = rangeHeader(offset, length);
      const command = new sdk.GetObjectCommand({ Bucket: this.#bucket, Key, Range, IfMatch: version });
      let body: Readable | undefined;
      try {
        const { Body, ContentLength, ContentRange, ETag } = await client.send(command, { abortSignal });
        alive();
        if (!(Body instanceof Readable)) throw new StorageError('io', path, 'the answer has no body');
        body = Body;
        const answer = { bytes: ContentLength, contentRange: ContentRange, version: ETag, body };
        return await readBody(path, { offset, length, version }, answer, alive);
      } catch (error) {
        body?.destroy();
        // There is nothing from there on.
        if (statusOf(error) === 416) return new Uint8Array(new ArrayBuffer(0));
        if (statusOf(error) === 412 && version !== undefined) {
          throw new StorageError('changed', path, changedReason(version), { cause: error });
        }
        throw error;
      }
    });
    this.#calls.counts.readBytes += bytes.length;
    return bytes;
  }

  async close(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    connection?.client.destroy();
  }

  #page(
    folder: string,
    about: { prefix: string; token: string | undefined; signal: AbortSignal | undefined; most?: number },
  ) {
    return this.#call(folder, about.signal, ({ client, sdk }, { signal: abortSignal }) =>
      client.send(
        new sdk.ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: about.prefix,
          Delimiter: '/',
          ContinuationToken: about.token,
          MaxKeys: about.most,
        }),
        { abortSignal },
      ),
    );
  }

  #call<T>(
    path: string,
    signal: AbortSignal | undefined,
    request: (connection: Connection, attempt: { signal: AbortSignal; alive(): void }) => Promise<T>,
  ): Promise<T> {
    return this.#calls.call(path, signal, async (attempt) => {
      this.#connection ??= connect(this.#options);
      const answer = await request(await this.#connection, attempt);
      this.#hasAnswered = true;
      return answer;
    });
  }

  #keyOf(path: string): string {
    safePath(path);
    return this.#prefix + path;
  }

  #nothing(prefix: string): string {
    return `the bucket ${this.#bucket} has no objects whose keys begin with ${JSON.stringify(prefix)}`;
  }
}

/** The endpoint that the SDK is told of by the environment. */
function endpointOf(env: NodeJS.ProcessEnv): string | undefined {
  return env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || undefined;
}

/** The SDK is large: it is loaded by the first call. */
async function connect({
  client: given,
  maxRequests = DEFAULT_REMOTE_LIMITS.maxRequests,
}: S3Options): Promise<Connection> {
  // On standard error, in front of every command of whoever runs a version of Node that we support.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const sdk = await import('@aws-sdk/client-s3');
  const agent = { keepAlive: true, maxSockets: maxRequests };
  const config: S3ClientConfig = {
    // Retries are RemoteCalls': one place, one budget.
    maxAttempts: 1,
    // Checksums of newer S3 alone: other servers do not know them.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: true,
    // Buckets of servers other than AWS have no host names of their own.
    forcePathStyle: endpointOf(process.env) !== undefined,
    requestHandler: { httpAgent: agent, httpsAgent: agent },
    ...given,
  };
  const client = new sdk.S3Client(config);
  try {
    await client.config.region();
    return { sdk, client };
  } catch {
    // Other tools' variable, and their default: the bucket's own region is then found by redirection.
    client.destroy();
    const region = process.env.AWS_DEFAULT_REGION || 'us-east-1';
    return { sdk, client: new sdk.S3Client({ ...config, region }) };
  }
}

const DENIED = new Set([
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
]);

/** Whether no credentials could be had. */
const isUnprovided = (error: unknown): boolean =>
  error instanceof Error && error.name === 'CredentialsProviderError';

/** Beyond what statuses tell. The SDK sets its clock by an answer that says it was wrong. */
const PASSING = new Set([
  'RequestTimeTooSkewed',
  'SlowDown',
  'RequestTimeout',
  'Throttling',
  'InternalError',
]);

function s3Failure(error: unknown, bucket: string): RemoteFailure {
  if (!(error instanceof Error)) return connectionFailure(error);
  const { name, message } = error;
  const status = statusOf(error);
  const told = message === '' || message === 'UnknownError' ? name : `${message} (${name})`;
  if (PASSING.has(name)) return { kind: 'io', mayPass: true, reason: told };
  if (DENIED.has(name)) return { kind: 'denied', mayPass: false, reason: told };
  if (status === undefined) return connectionFailure(error);
  if (name === 'NoSuchBucket') {
    return { kind: 'not-found', mayPass: false, reason: `there is no bucket ${JSON.stringify(bucket)}` };
  }
  if (status === 404) return { kind: 'not-found', mayPass: false, reason: 'there is no such object' };
  if (status === 401 || status === 403) {
    // An answer to HEAD has no body to say why.
    const reason = name.startsWith('Unknown')
      ? `HTTP status ${status}: wrong credentials, or no permission`
      : told;
    return { kind: 'denied', mayPass: false, reason };
  }
  return { kind: 'io', mayPass: statusMayPass(status), reason: `HTTP status ${status}: ${told}` };
}

function statusOf(error: unknown): number | undefined {
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  return $metadata?.httpStatusCode;
}
