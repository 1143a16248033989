import { editDistance } from '../edit-distance.js';
import { RECIPES } from '../recipes/index.js';

/**
 * What looks like a slip though it is allowed: a new view or group whose name is one or two edits from one of the
 * recipe, which then stays beside it and doubles the work.
 * @param spec as its user wrote it; nothing of it is checked here
 * @returns a sentence each
 */
export function viewNotices(spec: { readonly recipe?: unknown; readonly views?: unknown }): string[] {
  const { recipe, views } = spec;
  if (typeof recipe !== 'string' || typeof views !== 'object' || views === null || Array.isArray(views))
    return [];
  const known = new Set(Object.keys(RECIPES[recipe]?.views ?? {}).flatMap((name) => [name, stem(name)]));
  return Object.entries(views as Record<string, unknown>).flatMap(([name, view]) => {
    if (typeof view !== 'object' || view === null || known.has(name) || known.has(stem(name))) return [];
    const [meant] = [...known]
      .filter((candidate) => alike(candidate, name) || alike(candidate, stem(name)))
      .sort((a, b) => editDistance(a, name) - editDistance(b, name));
    if (meant === undefined) return [];
    const kind = 'count' in view ? 'group' : 'view';
    return [`views.${name} is a new ${kind} beside ${meant} of the recipe ${recipe}; did you mean ${meant}?`];
  });
}

/** `local` of `local_3`, and of itself. */
const stem = (name: string): string => name.replace(/_\d+$/, '');

/** Names of up to three letters are all alike. */
const alike = (a: string, b: string): boolean => Math.min(a.length, b.length) > 3 && editDistance(a, b) <= 2;
