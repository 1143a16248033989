import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { failure } from '@cropstream/errors';
import { LocalStorage } from './local.js';
import type { Storage } from './storage.js';

/**
 * The storage of a dataset's url: a path (`~/` is the home folder) or a `file:` URL.
 *
 * @throws SPEC_INVALID for a scheme that no adapter reads
 */
export function openStorage(url: string): Storage {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return new LocalStorage(resolve(url.replace(/^~(?=\/|$)/, homedir())));
  if (scheme === 'file') return new LocalStorage(fileURLToPath(url));
  throw failure('SPEC_INVALID', {
    field: 'dataset.url',
    value: JSON.stringify(url),
    allowed: 'a path or a file:// URL',
  });
}
