import { z } from 'zod';

/** What all routes begin with. */
export const API_PREFIX = '/api/v1';

/** Resources of one page, and how many where nothing is said. */
export const PAGE_LIMITS = { most: 200, usual: 50 } as const;

/** A whole number in a URL: written as decimal digits. */
export function inUrl(schema: z.ZodInt | z.ZodNumber) {
  const { minValue, maxValue } = schema;
  const bounds = {
    minimum: minValue ?? 0,
    ...(maxValue !== Number.MAX_SAFE_INTEGER && { maximum: maxValue }),
  };
  return z
    .string()
    .regex(/^\d{1,16}$/, { error: 'a whole number' })
    .transform(Number)
    .pipe(schema)
    .meta({ type: 'integer', pattern: undefined, ...bounds });
}

export const pageQuery = z.strictObject({
  limit: inUrl(z.int().min(1).max(PAGE_LIMITS.most))
    .default(PAGE_LIMITS.usual)
    .describe(`How many, ${PAGE_LIMITS.most} at most.`),
  cursor: z.string().max(512).optional().describe('`next_cursor` of the page before.'),
});
export type PageQuery = z.output<typeof pageQuery>;

/** Whose: an operator of the platform may name an owner, everybody else sees their own. */
export const ownerQuery = z.strictObject({
  owner: z
    .string()
    .max(128)
    .optional()
    .describe('Of another owner: for operators of the platform. Without it, your own; theirs, all.'),
});

/** One page of resources. */
export const pageOf = <S extends z.ZodType>(item: S) =>
  z.object({
    items: z.array(item),
    next_cursor: z.string().nullable().describe('For the next page; null: this is the last.'),
  });

export interface Page<T> {
  readonly items: T[];
  readonly next_cursor: string | null;
}
