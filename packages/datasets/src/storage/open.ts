import { failure } from '@cropstream/errors';
import { cached } from './cached.js';
import { HttpStorage } from './http.js';
import { LocalStorage } from './local.js';
import type { ReadCache } from './read-cache.js';
import type { RemoteOptions } from './remote.js';
import { ANYWHERE, localPath, type Roots } from './roots.js';
import { type S3Options, S3Storage } from './s3.js';
import type { Storage } from './storage.js';

/** How storages are used; none of it changes what is read. */
export interface StorageOptions extends RemoteOptions {
  /** Keeps what is read from remote storages. @default none */
  readonly cache?: ReadCache | undefined;
  /** Where it has to lie, and where links and redirections may lead. @default anywhere */
  readonly roots?: Roots | undefined;
}

/**
 * The storage of a dataset's url: a path (`~/` is the home folder) or `file:`, `s3:`, `gs:`, `http:` or `https:`. No
 * I/O yet.
 *
 * @throws URL_FORBIDDEN for a url outside of the roots, SPEC_INVALID for a scheme that no adapter reads, or a url that is none of its scheme
 */
export function openStorage(url: string, options: StorageOptions = {}): Storage {
  const { roots = ANYWHERE } = options;
  if (!roots.isAnywhere && !roots.allows(url)) throw roots.forbidden('dataset.url', url);
  const storage = adapterFor(url, options);
  return options.cache ? cached(storage, options.cache) : storage;
}

function adapterFor(url: string, options: StorageOptions): Storage {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  switch (scheme) {
    case undefined:
    case 'file':
      return new LocalStorage(pathOf(url), options);
    case 's3':
      return bucketStorage(url, options);
    case 'gs':
      return bucketStorage(url, { ...options, client: googleCloud(process.env) });
    case 'http':
    case 'https':
      return webStorage(url, options);
    default:
      throw invalid(url, 'a path, or a URL of file://, s3://, gs://, http:// or https://');
  }
}

function pathOf(url: string): string {
  const path = localPath(url);
  if (path !== null) return path;
  throw invalid(url, 'a file:// URL of an absolute path on this machine, such as file:///data/train');
}

function bucketStorage(url: string, options: S3Options): Storage {
  // Not by the rules of URLs: keys may have spaces, # and %, and stand for themselves.
  const [, bucket = '', prefix = ''] = /^[^:]+:\/\/([^/]*)\/*(.*?)\/*$/s.exec(url) ?? [];
  if (bucket === '') throw invalid(url, 'a bucket and a prefix, such as s3://bucket/train');
  return new S3Storage(url, bucket, prefix, options);
}

/** Cloud Storage by its S3 interface, with the variables that GDAL has for HMAC keys, or else the SDK's own. */
function googleCloud({ GS_ENDPOINT_URL, GS_ACCESS_KEY_ID, GS_SECRET_ACCESS_KEY }: NodeJS.ProcessEnv) {
  return {
    endpoint: GS_ENDPOINT_URL || 'https://storage.googleapis.com',
    region: 'auto',
    forcePathStyle: true,
    ...(GS_ACCESS_KEY_ID &&
      GS_SECRET_ACCESS_KEY && {
        credentials: { accessKeyId: GS_ACCESS_KEY_ID, secretAccessKey: GS_SECRET_ACCESS_KEY },
      }),
  };
}

function webStorage(url: string, options: StorageOptions): Storage {
  const { username, password, search, hash } = URL.canParse(url) ? new URL(url) : { username: '?' };
  if (username || password || search || hash) {
    throw invalid(url, 'a URL of a folder, without user, password, query and fragment');
  }
  return new HttpStorage(url, options);
}

function invalid(url: string, allowed: string) {
  return failure('SPEC_INVALID', { field: 'dataset.url', value: JSON.stringify(url), allowed });
}
