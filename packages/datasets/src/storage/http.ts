import { Readable } from 'node:stream';
import { failure } from '@cropstream/errors';
import {
  changedReason,
  connectionFailure,
  RemoteCalls,
  type RemoteFailure,
  type RemoteOptions,
  rangeHeader,
  readBody,
  statusMayPass,
} from './remote.js';
import { ANYWHERE, type Roots } from './roots.js';
import { safePath } from './safe-path.js';
import {
  type FileStat,
  type FolderListing,
  type ReadOptions,
  type Storage,
  StorageError,
} from './storage.js';

const REDIRECTIONS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTIONS = 5;

/** Files on a web server, read only. Redirections are followed, within the roots where there are any. */
export class HttpStorage implements Storage {
  readonly url: string;
  readonly cacheKey: string;
  readonly #calls: RemoteCalls;
  readonly #roots: Roots;

  /** @param url of a folder, without query */
  constructor(url: string, options: RemoteOptions & { readonly roots?: Roots | undefined } = {}) {
    this.#roots = options.roots ?? ANYWHERE;
    this.url = url.replace(/\/+$/, '');
    this.cacheKey = this.url;
    this.#calls = new RemoteCalls(url, httpFailure, options);
  }

  /** @throws SPEC_INVALID always: what a web server shows of a folder is for people */
  async list(): Promise<FolderListing> {
    throw failure('SPEC_INVALID', {
      field: 'dataset.url',
      value: JSON.stringify(this.url),
      allowed:
        'for this source a folder, s3:// or gs://, since a web server cannot be asked what it has; sources whose files are named by an index read http(s):// too',
    });
  }

  async stat(path: string, signal?: AbortSignal): Promise<FileStat> {
    return this.#calls.call(path, signal, async (attempt) => {
      const response = await this.#request(path, 'HEAD', {}, attempt.signal);
      // The root is there where the server answers: few have a page of their own for it.
      if (path === '' && response.status < 500) return { size: 0 };
      if (!response.ok) throw new BadStatus(response.status);
      const size = response.headers.get('content-length');
      if (size === null) throw new StorageError('io', path, 'the server does not tell its size');
      const version = versionOf(response);
      return { size: Number(size), ...(version !== undefined && { version }) };
    });
  }

  async read(
    path: string,
    { offset = 0, length, version, signal }: ReadOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    if (length === 0) return new Uint8Array(new ArrayBuffer(0));
    const range = rangeHeader(offset, length);
    const headers = { ...(range && { range }), ...(version !== undefined && { 'if-match': version }) };
    const bytes = await this.#calls.call(path, signal, async (attempt) => {
      const response = await this.#request(path, 'GET', headers, attempt.signal);
      attempt.alive();
      try {
        // There is nothing from there on.
        if (response.status === 416) return new Uint8Array(new ArrayBuffer(0));
        if (response.status === 412 && version !== undefined) {
          throw new StorageError('changed', path, changedReason(version));
        }
        if (!response.ok) throw new BadStatus(response.status);
        const size = response.headers.get('content-length');
        const answer = {
          bytes: size === null ? undefined : Number(size),
          contentRange: response.headers.get('content-range') ?? undefined,
          version: versionOf(response),
          body: response.body ?? Readable.from([]),
        };
        return await readBody(path, { offset, length, version }, answer, attempt.alive);
      } finally {
        // Where it was not read: the connection may then be used again, or ends.
        await response.body?.cancel().catch(() => {});
      }
    });
    this.#calls.counts.readBytes += bytes.length;
    return bytes;
  }

  async close(): Promise<void> {}

  async #request(
    path: string,
    method: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Response> {
    // A compressed answer would have other bytes, and other offsets.
    const init = { method, headers: { ...headers, 'accept-encoding': 'identity' }, signal };
    let url = this.#urlOf(path);
    if (this.#roots.isAnywhere) return fetch(url, init);
    for (let steps = 0; steps <= MAX_REDIRECTIONS; steps++) {
      const response = await fetch(url, { ...init, redirect: 'manual' });
      const location = response.headers.get('location');
      if (!REDIRECTIONS.has(response.status) || location === null) return response;
      await response.body?.cancel();
      url = new URL(location, url).href;
      if (!this.#roots.allows(url)) {
        throw new StorageError('denied', path, 'the server redirects to where nothing may be read');
      }
    }
    throw new StorageError('io', path, `more than ${MAX_REDIRECTIONS} redirections`);
  }

  #urlOf(path: string): string {
    if (path === '') return `${this.url}/`;
    let encoded = '';
    for (const byte of safePath(path)) {
      const character = String.fromCharCode(byte);
      encoded += /[\w.~/-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
    }
    return `${this.url}/${encoded}`;
  }
}

/** A weak ETag does not promise the same bytes. */
function versionOf(response: Response): string | undefined {
  const etag = response.headers.get('etag');
  return etag === null || etag.startsWith('W/') ? undefined : etag;
}

class BadStatus extends Error {
  constructor(readonly status: number) {
    super(`HTTP status ${status}`);
  }
}

function httpFailure(error: unknown): RemoteFailure {
  if (!(error instanceof BadStatus)) return connectionFailure(error);
  const { status, message: reason } = error;
  if (status === 404 || status === 410) return { kind: 'not-found', mayPass: false, reason };
  if (status === 401 || status === 403) return { kind: 'denied', mayPass: false, reason };
  return { kind: 'io', mayPass: statusMayPass(status), reason };
}
