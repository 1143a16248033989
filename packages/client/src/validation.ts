import { failure } from '@cropstream/errors';
import { z } from 'zod';

/** A safe integer of at least `min`. */
export function integer(min: number) {
  return z.custom<number>((value) => Number.isSafeInteger(value) && (value as number) >= min, {
    error: `an integer of at least ${min}`,
  });
}

export function text() {
  return z.string({ error: 'a string of at least one character' }).min(1, {
    error: 'a string of at least one character',
  });
}

export function flag() {
  return z.boolean({ error: 'true or false' });
}

/**
 * The input as the schema has it.
 *
 * @throws SPEC_INVALID naming the first field that is wrong, its value and what is allowed
 */
export function validate<T>(schema: z.ZodType<T>, what: string, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0] as z.core.$ZodIssue;
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = unknownKey === undefined ? issue.path : [...issue.path, unknownKey];
  const value = path.reduce<unknown>(
    (node, key) => (node as Record<PropertyKey, unknown> | null)?.[key],
    input,
  );
  throw failure('SPEC_INVALID', {
    field: [what, ...path].map(String).join('.'),
    value: JSON.stringify(value)?.slice(0, 200) ?? String(value),
    allowed: unknownKey === undefined ? issue.message : 'nothing of that name',
  });
}
