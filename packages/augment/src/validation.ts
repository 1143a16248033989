import { type CropstreamError, failure } from '@cropstream/errors';
import { distance } from 'fastest-levenshtein';
import { z } from 'zod';

/** What is allowed instead of an unknown word: the nearest known one where it may be a slip, then all. */
export function nearest(word: string, known: readonly string[]): string {
  const ranked = known
    .map((candidate) => ({ candidate, cost: distance(word.toLowerCase(), candidate) }))
    .sort((a, b) => a.cost - b.cost);
  const best = ranked[0];
  const all = `one of ${known.join(', ')}`;
  if (best === undefined) return 'no field here';
  return best.cost <= Math.max(2, word.length / 3) ? `${best.candidate} (did you mean it?), or ${all}` : all;
}

/** Adds an upper limit that is a policy, not a type: over it the error is LIMIT_EXCEEDED. */
export function limited<T extends z.ZodType<number>>(schema: T, limit: number) {
  return schema.refine((value) => value <= limit, { params: { limit } });
}

/** `[lo, hi]` with lo <= hi, both in [min, max]. */
export function interval(min: number, max: number) {
  const end = z.number().min(min).max(max);
  return z
    .tuple([end, end], { error: `a pair [low, high] in [${min}, ${max}]` })
    .refine(([lo, hi]) => lo <= hi, { error: 'a pair [low, high] with low <= high' });
}

export const probability = z.number().min(0).max(1);

/** Integers that random keys take: [0, 2^53). */
export const seedField = z.int().min(0);

/** Parses `input`, or throws the first thing that is wrong with it as SPEC_INVALID or LIMIT_EXCEEDED. */
export function parseField<T>(schema: z.ZodType<T>, input: unknown, field = ''): T {
  const result = schema.safeParse(input, { error: allowedPhrase });
  if (result.success) return result.data;
  throw asFailure(result.error.issues[0]!, input, field);
}

/** SPEC_INVALID in the words that `parseField` uses. */
export function invalid(field: string, value: unknown, allowed: string): CropstreamError {
  return failure('SPEC_INVALID', { field, value: show(value), allowed });
}

function asFailure(issue: z.core.$ZodIssue, input: unknown, field: string): CropstreamError {
  if (issue.code === 'invalid_union') {
    const inner = nearestBranch(issue.errors);
    const at = [...issue.path, ...(inner?.path ?? [])];
    if (inner !== undefined && depthOf(inner) > 0) return asFailure({ ...inner, path: at }, input, field);
    return invalid(fieldName(field, at), valueAt(input, at), unionPhrase(issue));
  }
  const key = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...issue.path, ...key];
  const value = valueAt(input, path);
  const limit = issue.code === 'custom' ? issue.params?.limit : undefined;
  if (typeof limit === 'number') {
    return failure('LIMIT_EXCEEDED', { field: fieldName(field, path), value: show(value), limit });
  }
  return invalid(fieldName(field, path), value, issue.message);
}

/** Of a union's branches the one that went deepest: what its writer most likely meant. */
function nearestBranch(branches: readonly (readonly z.core.$ZodIssue[])[]): z.core.$ZodIssue | undefined {
  let best: z.core.$ZodIssue | undefined;
  for (const [first] of branches) {
    if (first !== undefined && (best === undefined || depthOf(first) > depthOf(best))) best = first;
  }
  return best;
}

function depthOf(issue: z.core.$ZodIssue): number {
  return issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0);
}

function unionPhrase(issue: z.core.$ZodIssueInvalidUnion): string {
  if (issue.message !== UNION) return issue.message;
  const phrases = issue.errors.flatMap((issues) => (issues[0] === undefined ? [] : [issues[0].message]));
  return [...new Set(phrases)].join(', or ');
}

/** What would have been allowed, of each kind of issue; a schema's own `error` text goes before. */
function allowedPhrase(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_NAMES[issue.expected] ?? `a ${issue.expected}`;
    case 'too_small':
      return `${SIZED[issue.origin] ?? 'a number'} of at least ${issue.minimum}`;
    case 'too_big':
      return `${SIZED[issue.origin] ?? 'a number'} of at most ${issue.maximum}`;
    case 'invalid_value':
      return issue.values.length === 1
        ? String(issue.values[0])
        : `one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_format':
      return `text that matches ${issue.pattern ?? issue.format}`;
    case 'invalid_union':
      return UNION;
    case 'unrecognized_keys': {
      const shape = (issue.inst as z.ZodObject | undefined)?.shape ?? {};
      return nearest(issue.keys[0] ?? '', Object.keys(shape));
    }
    default:
      return undefined;
  }
}

/** Stands for the phrases of a union's branches until they are known. */
const UNION = 'one of the allowed forms';

const TYPE_NAMES: Readonly<Record<string, string>> = {
  number: 'a number',
  int: 'an integer',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

const SIZED: Readonly<Record<string, string>> = { array: 'a list', string: 'text', int: 'an integer' };

function fieldName(prefix: string, path: readonly PropertyKey[]): string {
  let name = prefix;
  for (const part of path) {
    if (typeof part === 'number') name += `[${part}]`;
    else name += name === '' ? String(part) : `.${String(part)}`;
  }
  return name === '' ? 'spec' : name;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
