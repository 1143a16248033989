import { createRequire } from 'node:module';

let library: typeof import('fastest-levenshtein') | undefined;

/**
 * Levenshtein's distance of two words. Its library is loaded when it is first asked for, by a mistake: importing CommonJS would cost
 * every thread that makes images 50 ms of CPU time at its start, which the engine needs to learn what the module exports.
 */
export function editDistance(a: string, b: string): number {
  library ??= createRequire(import.meta.url)('fastest-levenshtein') as typeof import('fastest-levenshtein');
  return library.distance(a, b);
}
