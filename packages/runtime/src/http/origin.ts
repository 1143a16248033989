import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { failure } from '@cropstream/errors';

/**
 * What keeps a web page in the browser of somebody who reaches an open service from using it: pages of other sites, and
 * a page whose own name its owner lets resolve to this machine (DNS rebinding). With tokens neither has one.
 */

/** Ends of names that nobody can register. */
const PRIVATE_ENDS = ['.localhost', '.local', '.internal', '.svc'];
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export interface RequestOrigin {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
}

/**
 * @throws HOST_FORBIDDEN where the request is for a name that anyone could let resolve to this machine, or would change
 * something for a page of another site
 */
export function checkOrigin({ method, host = '', origin }: RequestOrigin): void {
  if (!isPrivateName(host)) throw failure('HOST_FORBIDDEN', { header: 'Host', value: host });
  if (origin === undefined || SAFE_METHODS.has(method)) return;
  if (!URL.canParse(origin) || new URL(origin).host !== host.toLowerCase()) {
    throw failure('HOST_FORBIDDEN', { header: 'Origin', value: origin });
  }
}

function isPrivateName(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0 || name === hostname().toLowerCase()) return true;
  // A name of one label resolves within its own network alone.
  return /^[a-z0-9_-]+$/.test(name) || PRIVATE_ENDS.some((end) => name.endsWith(end));
}
