import { CropstreamError, failure } from '@cropstream/errors';
import { z } from 'zod';
import { editDistance } from './edit-distance.js';

/** No known word is as long. */
const MOST_COMPARED = 64;

/** What is allowed instead of an unknown word: the nearest known one where it may be a slip, then all. */
export function nearest(word: string, known: readonly string[]): string {
  const ranked = known
    .map((candidate) => ({
      candidate,
      cost: editDistance(word.slice(0, MOST_COMPARED).toLowerCase(), candidate),
    }))
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

/**
 * Parses `input`, or throws what is wrong with it.
 * @throws SPEC_INVALID, SPEC_INCOMPLETE or LIMIT_EXCEEDED, as `together` joins them
 */
export function parseField<T>(schema: z.ZodType<T>, input: unknown, field = ''): T {
  checkKeys(input, field);
  const result = schema.safeParse(input, { error: allowedPhrase });
  if (result.success) return result.data;
  const issues = result.error.issues.flatMap(eachKey);
  const first = worst(issues, input);
  const ordered = [first, ...issues.filter((issue) => issue !== first)];
  throw together(ordered.map((issue) => asFailure(issue, input, field)));
}

/** The most that one error tells of. */
const MOST_TOLD = 10;

/**
 * Several errors as one: it is the first, and its problem tells of all, a line each.
 * @param errors at least one
 */
export function together(errors: readonly CropstreamError[]): CropstreamError {
  const [first] = errors;
  if (first === undefined) throw new RangeError('no errors to put together');
  const problems = [...new Set(errors.map(({ problem }) => problem))];
  if (problems.length === 1) return first;
  const told = problems.slice(0, MOST_TOLD);
  const more = problems.length - told.length;
  if (more > 0) told.push(`and ${more} more`);
  return new CropstreamError(first.code, told.join('\n'), first.help, first.details);
}

/** SPEC_INVALID, or for a value that is undefined SPEC_INCOMPLETE, in the words that `parseField` uses. */
export function invalid(field: string, value: unknown, allowed: string): CropstreamError {
  return value === undefined
    ? failure('SPEC_INCOMPLETE', { field, allowed })
    : failure('SPEC_INVALID', { field, value: show(value), allowed });
}

/**
 * Refuses the one key that JavaScript's objects and schemas pass over in silence.
 * @throws SPEC_INVALID
 */
export function checkKeys(input: unknown, field = ''): void {
  if (typeof input !== 'object' || input === null) return;
  for (const [key, value] of Object.entries(input)) {
    const at = fieldName(field, [Array.isArray(input) ? Number(key) : key]);
    if (key === '__proto__') throw invalid(at, value, 'no field of that name');
    checkKeys(value, at);
  }
}

type Issue = z.core.$ZodIssue;

/** An issue for each unknown key; the phrases of all stand in the one message. */
function eachKey(issue: Issue): Issue[] {
  if (issue.code !== 'unrecognized_keys') return [issue];
  const phrases = issue.message.split('\n');
  return issue.keys.map((key, i) => ({ ...issue, keys: [key], message: phrases[i] ?? issue.message }));
}

function asFailure(issue: Issue, input: unknown, field: string): CropstreamError {
  const path = pathOf(issue);
  const value = valueAt(input, path);
  if (issue.code === 'invalid_union') {
    const inner = nearestBranch(issue, input);
    if (inner !== undefined) return asFailure(inner, input, field);
  }
  const limit = issue.code === 'custom' ? issue.params?.limit : undefined;
  if (typeof limit === 'number') {
    return failure('LIMIT_EXCEEDED', { field: fieldName(field, path), value: show(value), limit });
  }
  const scalar = scalarOnTheWay(input, path);
  if (scalar !== undefined && issue.code !== 'unrecognized_keys') {
    return invalid(fieldName(field, scalar.path), scalar.value, 'a mapping of its fields');
  }
  const allowed = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return invalid(
    fieldName(field, path),
    value,
    issue.code === 'invalid_union' ? unionPhrase(issue) : allowed,
  );
}

/** Where an issue is; an unknown key's path ends in that key. */
function pathOf(issue: Issue): PropertyKey[] {
  return issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path;
}

/** The issue to tell of: something written wrong explains more than something missing. */
function worst(issues: readonly Issue[], input: unknown): Issue {
  return issues.find((issue) => valueAt(input, pathOf(issue)) !== undefined) ?? issues[0]!;
}

/** Of a union's branches the one whose issue lies deepest, with the fewest others: what was most likely meant. */
function nearestBranch(union: z.core.$ZodIssueInvalidUnion, input: unknown): Issue | undefined {
  let best: { issue: Issue; depth: number; count: number } | undefined;
  for (const branch of union.errors) {
    const issues = branch.flatMap(eachKey);
    if (issues.length === 0) continue;
    const issue = worst(
      issues.map((relative) => ({ ...relative, path: [...union.path, ...relative.path] })),
      input,
    );
    const path = pathOf(issue);
    const candidate = { issue, depth: path.length, count: issues.length };
    if (candidate.depth === union.path.length || valueAt(input, path) === undefined) continue;
    const deeper = candidate.depth - (best?.depth ?? 0);
    if (best === undefined || deeper > 0 || (deeper === 0 && candidate.count < best.count)) best = candidate;
  }
  return best?.issue;
}

function unionPhrase(issue: z.core.$ZodIssueInvalidUnion): string {
  if (issue.message !== UNION) return issue.message;
  const phrases = issue.errors.flatMap((issues) =>
    issues
      .flatMap(eachKey)
      .slice(0, 1)
      .map(({ message }) => message),
  );
  return [...new Set(phrases)].join(', or ');
}

/** What would have been allowed, of each kind of issue; a schema's own `error` text goes before. */
function allowedPhrase(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_NAMES[issue.expected] ?? `a ${issue.expected}`;
    case 'too_small':
      return issue.inclusive === false
        ? `a number above ${issue.minimum}`
        : `${SIZED[issue.origin] ?? 'a number'} of at least ${issue.minimum}`;
    case 'too_big':
      return `${SIZED[issue.origin] ?? 'a number'} of at most ${issue.maximum}`;
    case 'invalid_value':
      if (issue.values.length === 1) return String(issue.values[0]);
      return typeof issue.input === 'string'
        ? nearest(issue.input, issue.values.map(String))
        : `one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_format':
      return `text that matches ${issue.pattern ?? issue.format}`;
    case 'invalid_union':
      return issue.discriminator === undefined ? UNION : discriminators(issue.inst, issue.discriminator);
    case 'unrecognized_keys': {
      const shape = (issue.inst as z.ZodObject | undefined)?.shape ?? {};
      return issue.keys.map((key) => nearest(key, Object.keys(shape))).join('\n');
    }
    default:
      return undefined;
  }
}

/** The words that choose among a discriminated union's branches. */
function discriminators(schema: unknown, key: string): string {
  const options = (schema as z.ZodDiscriminatedUnion<z.ZodObject[]>).options;
  const words = options.flatMap(({ shape }) => [...((shape[key] as z.ZodLiteral | undefined)?.values ?? [])]);
  return `one of ${words.join(', ')}`;
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

/** Where a scalar stands in the place of a mapping that `path` goes through. */
function scalarOnTheWay(
  input: unknown,
  path: readonly PropertyKey[],
): { path: readonly PropertyKey[]; value: unknown } | undefined {
  for (let depth = 1; depth < path.length; depth++) {
    const value = valueAt(input, path.slice(0, depth));
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || value === null) return { path: path.slice(0, depth), value };
  }
  return undefined;
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
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
