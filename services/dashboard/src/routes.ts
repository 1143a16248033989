/** Pages by the address after `#`, so that no server has to know them. */
export type Route =
  | { readonly page: 'fleet' }
  | { readonly page: 'run'; readonly owner: string | null; readonly name: string; readonly tab: RunTab }
  | { readonly page: 'workers' }
  | { readonly page: 'compose' }
  | { readonly page: 'unknown' };

export const RUN_TABS = ['progress', 'crops', 'statistics', 'reports', 'spec'] as const;
export type RunTab = (typeof RUN_TABS)[number];

export const FLEET = '#/';
export const WORKERS = '#/workers';
export const COMPOSE = '#/new';

/** @param owner null: the reader's own */
export function runHash(name: string, owner: string | null, tab: RunTab = 'progress'): string {
  const query = owner === null ? '' : `?owner=${encodeURIComponent(owner)}`;
  return `#/runs/${encodeURIComponent(name)}${tab === 'progress' ? '' : `/${tab}`}${query}`;
}

export function parseHash(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?', 2);
  const parts = path.split('/').filter((part) => part !== '');
  const [first, name, tab = 'progress', ...more] = parts;
  if (first === undefined) return { page: 'fleet' };
  if (parts.length === 1) {
    if (first === 'workers') return { page: 'workers' };
    if (first === 'new') return { page: 'compose' };
  }
  const known = RUN_TABS.find((candidate) => candidate === tab);
  if (first !== 'runs' || name === undefined || known === undefined || more.length > 0) {
    return { page: 'unknown' };
  }
  try {
    const owner = new URLSearchParams(query).get('owner');
    return { page: 'run', owner, name: decodeURIComponent(name), tab: known };
  } catch {
    return { page: 'unknown' };
  }
}
