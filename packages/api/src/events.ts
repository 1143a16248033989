import { z } from 'zod';
import { statusSchema, workerSchema } from './fleet.js';
import { ownerQuery } from './page.js';
import { rankSchema, runSchema } from './runs.js';

/**
 * What /events streams, about once a second: whole snapshots, so that whoever missed some has lost nothing.
 * Server-sent events: `event` is the name here, `data` the JSON, `id` a number that grows.
 */
export const fleetEventSchema = z
  .object({ status: statusSchema, workers: z.array(workerSchema), runs: z.array(runSchema) })
  .meta({ id: 'FleetEvent' });
export type FleetEvent = z.output<typeof fleetEventSchema>;

/** Of each run that was asked for. */
export const runEventSchema = z
  .object({ at: z.iso.datetime(), run: runSchema, ranks: z.array(rankSchema) })
  .meta({ id: 'RunEvent' });
export type RunEvent = z.output<typeof runEventSchema>;

/** A run that was asked for and is not open (any more). */
export const goneEventSchema = z.object({ at: z.iso.datetime(), name: z.string() }).meta({ id: 'GoneEvent' });
export type GoneEvent = z.output<typeof goneEventSchema>;

/** By the event's name. */
export interface ApiEvents {
  readonly fleet: FleetEvent;
  readonly run: RunEvent;
  readonly gone: GoneEvent;
}

/** Runs that one stream tells of. */
export const MAX_EVENT_RUNS = 32;

export const eventsQuery = z.strictObject({
  ...ownerQuery.shape,
  runs: z
    .string()
    .max(8192)
    .transform((text) => text.split(',').filter((name) => name !== ''))
    .refine((names) => names.length <= MAX_EVENT_RUNS, { error: `${MAX_EVENT_RUNS} runs at most` })
    .default([])
    .describe('Names, with commas between them. None: the fleet alone.'),
});
