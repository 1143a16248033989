import { readlink, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CropstreamError, failure } from '@cropstream/errors';

/** Where `url` lies, in one way of writing it; null: no url of a kind that is read. */
type Place =
  | { readonly path: string }
  /** `base` is the scheme with the host or bucket, which may be empty in a root; `segments` what follows. */
  | { readonly base: string; readonly segments: readonly string[] };

/** An absolute path of a url or path on this machine; null: it is none. */
export function localPath(url: string): string | null {
  if (/^file:\/\//i.test(url)) {
    try {
      return fileURLToPath(url);
    } catch {
      return null;
    }
  }
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? null : resolve(url.replace(/^~(?=\/|$)/, homedir()));
}

function placeOf(url: string): Place | null {
  const path = localPath(url);
  if (path !== null) return { path };
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9]*):\/\/(.*)$/is.exec(url) ?? [];
  switch (scheme.toLowerCase()) {
    case 's3':
    case 'gs': {
      const [bucket = '', ...segments] = rest.split('/').filter((segment, i) => i === 0 || segment !== '');
      // A key may be so named, but what is between here and the store may take it for a step.
      if (segments.some((segment) => segment === '.' || segment === '..')) return null;
      return { base: `${scheme.toLowerCase()}://${bucket}`, segments };
    }
    case 'http':
    case 'https': {
      if (rest === '') return { base: `${scheme.toLowerCase()}://`, segments: [] };
      if (!URL.canParse(url)) return null;
      // Normalised as it is asked for: steps are taken, encoded ones too. A server may take what is left for slashes.
      const { origin, pathname, username, password } = new URL(url);
      if (username || password || /%(2f|5c|00)/i.test(pathname)) return null;
      return { base: origin, segments: pathname.split('/').filter((segment) => segment !== '') };
    }
    default:
      return null;
  }
}

const isWithin = (path: string, folder: string) =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);

/**
 * What may be read: folders, with all below, and the beginnings of urls (`s3://bucket/prefix`, `https://host/path`,
 * `s3://` for every bucket). There may be several levels, each of which has to allow what is read: an owner's and the
 * service's.
 */
export class Roots {
  /** @param levels without one, everything may be read; an empty one allows nothing */
  constructor(private readonly levels: readonly (readonly string[])[]) {}

  /** Whether everything may be read. */
  get isAnywhere(): boolean {
    return this.levels.length === 0;
  }

  /** All that is allowed, for messages. */
  get allowed(): string {
    return this.levels.map((roots) => roots.join(', ') || 'nothing').join('; of these: ') || 'anything';
  }

  forbidden(field: string, url: string, reason = 'it is outside of what may be read'): CropstreamError {
    return failure('URL_FORBIDDEN', { field, value: JSON.stringify(url), reason, allowed: this.allowed });
  }

  /** Whether a url may be read as it is written: links are another matter. */
  allows(url: string): boolean {
    const place = placeOf(url);
    return this.levels.every((roots) => place !== null && roots.some((root) => reaches(root, place)));
  }

  /** Whether a path without links, as `realpath` gives it, may be read. */
  async allowsReal(path: string): Promise<boolean> {
    for (const roots of this.levels) {
      const real = await Promise.all(roots.map(realRoot));
      if (!real.some((root) => root !== null && isWithin(path, root))) return false;
    }
    return true;
  }

  /**
   * Nothing is looked at before it is known to be allowed as it is written, so that no answer tells what lies elsewhere.
   *
   * @param field of the spec, for the error
   * @throws URL_FORBIDDEN
   */
  async require(field: string, url: string): Promise<void> {
    if (this.isAnywhere) return;
    if (!this.allows(url)) throw this.forbidden(field, url);
    const path = localPath(url);
    const real = path === null ? null : await realpath(path).catch(() => null);
    if (real !== null && !(await this.allowsReal(real)))
      throw this.forbidden(field, url, 'a link leads out of what may be read');
  }

  /** Whether what is open as `fd` may be read; `path` is how it was opened, for systems without /proc. */
  async allowsOpen(fd: number, path: string | Buffer): Promise<boolean> {
    if (this.isAnywhere) return true;
    // What was opened, and not what is there by now.
    const real = await readlink(`/proc/self/fd/${fd}`).catch(() => realpath(path));
    return this.allowsReal(String(real));
  }
}

/** Of no run, and nothing is bounded: commands read as whoever gives them. */
export const ANYWHERE = new Roots([]);

function reaches(root: string, place: Place): boolean {
  const from = placeOf(root);
  if (from === null || 'path' in from || 'path' in place) {
    return from !== null && 'path' in from && 'path' in place && isWithin(place.path, from.path);
  }
  if (/:\/\/$/.test(from.base)) return place.base.startsWith(from.base);
  return place.base === from.base && from.segments.every((segment, i) => place.segments[i] === segment);
}

/** Links in a root's own path are its operator's. */
async function realRoot(root: string): Promise<string | null> {
  const path = localPath(root);
  return path === null ? null : realpath(path).catch(() => null);
}
