import { z } from 'zod';

/** A bad sample, and what was delivered in its place. */
export const substitutionSchema = z
  .object({
    at: z.iso.datetime(),
    epoch: z.number(),
    position: z.number().describe("In the epoch's order."),
    step: z.number().describe('The global step.'),
    original_index: z.number().describe('The bad sample.'),
    delivered_index: z.number().describe('What stood in for it.'),
    path: z.string().describe('Of the bad sample.'),
    code: z
      .string()
      .describe('What is wrong with it: SAMPLE_UNDECODABLE, SAMPLE_UNSUPPORTED or SAMPLE_OVER_LIMIT.'),
    reason: z.string(),
  })
  .meta({ id: 'Substitution' });
export type Substitution = z.output<typeof substitutionSchema>;

/** A chunk that failed for good. */
export const runErrorSchema = z
  .object({
    at: z.iso.datetime(),
    epoch: z.number(),
    first: z.number().describe("Positions [first, last) of the epoch's order."),
    last: z.number(),
    step: z.number().describe('The global step that it begins in.'),
    code: z.string().describe('Of docs/errors.md.'),
    problem: z.string(),
    help: z.string(),
  })
  .meta({ id: 'RunError' });
export type RunError = z.output<typeof runErrorSchema>;
