import { ERROR_TABLE } from '@cropstream/errors';
import { z } from 'zod';

const CODES = Object.keys(ERROR_TABLE) as [string, ...string[]];

/** An error as RFC 9457 has it, application/problem+json. docs/errors.md lists every code. */
export const problemSchema = z
  .object({
    type: z.string().describe('`urn:cropstream:error:` and the code.'),
    title: z.string().describe('When this kind of error occurs: the same for all of a code.'),
    status: z.int().describe('The HTTP status.'),
    detail: z.string().describe('What was wrong, with the value.'),
    code: z.enum(CODES).describe('The stable code of docs/errors.md, which clients go by.'),
    help: z.string().describe('What to do about it.'),
    retryable: z.boolean().describe('Whether the same request may succeed later, unchanged.'),
    details: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .describe('What the text names, one by one: `field`, `value`, `allowed`, `run`, ...'),
  })
  .meta({ id: 'Problem' });
export type Problem = z.output<typeof problemSchema>;
