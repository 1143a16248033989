import { ERROR_TABLE } from '@cropstream/errors';
import { z } from 'zod';

const CODES = Object.keys(ERROR_TABLE) as [string, ...string[]];

/** An error as RFC 9457 has it, application/problem+json. docs/errors.md lists every code. */
export const problemSchema = z
  .object({
    type: z.string().describe('Names the kind of problem: `urn:cropstream:error:` and the code.'),
    title: z.string().describe('When it occurs, in general.'),
    status: z.int().describe('The HTTP status.'),
    detail: z.string().describe('What was wrong this time, and what to do.'),
    code: z.enum(CODES).describe('The stable code of docs/errors.md.'),
  })
  .catchall(z.union([z.string(), z.number(), z.boolean()]))
  .describe('Further members are the details of that code: `field`, `value`, `allowed`, `run`, ...')
  .meta({ id: 'Problem' });
export type Problem = z.output<typeof problemSchema>;
