import { z } from 'zod';

export const workerSchema = z
  .object({
    id: z.string().describe('Fresh at every start.'),
    address: z.string().describe('Where trainers fetch from it, host:port.'),
    tls_name: z.string().describe('The name that its certificate is checked against; empty without TLS.'),
    process: z.string().describe('Workers of one process share it.'),
    version: z.string().describe('Of Cropstream.'),
    fingerprint: z
      .string()
      .describe('Of its pixels: it makes chunks of runs that were opened with the same.'),
    slots: z.int().describe('Compute threads.'),
    outbox_bytes: z.number().describe('Finished chunks that wait to be fetched.'),
    outbox_limit_bytes: z.number(),
    samples_total: z.number().describe('Samples made since it started.'),
    chunks_total: z.number(),
    bytes_total: z.number(),
    busy_seconds_total: z.number().describe('In which it was making a chunk or several.'),
    runs: z
      .array(z.object({ run_digest: z.string(), samples_total: z.number() }))
      .describe(
        'What it made of the runs that you may see, those it made chunks of last; runs of one digest share chunks.',
      ),
  })
  .meta({ id: 'Worker' });
export type Worker = z.output<typeof workerSchema>;

export const statusSchema = z
  .object({
    at: z.iso.datetime(),
    version: z.string().describe('Of the coordinator that answers.'),
    coordinator: z.string().describe('Which coordinator answers.'),
    coordinators: z
      .array(z.string())
      .describe('Those that have trainers attached, and the one that answers.'),
    secured: z.boolean().describe('False: no token is configured, so everybody may do everything.'),
    principal: z
      .object({ name: z.string(), owner: z.string(), role: z.enum(['trainer', 'operator', 'service']) })
      .describe('Who you are.'),
    runs: z.int(),
    attachments: z.int().describe('Attached ranks.'),
    workers: z.int(),
    slots: z.int().describe('Compute threads of all workers.'),
    desired_workers: z.number().nullable().describe('What demand asks for; null: not known yet.'),
    queue: z
      .object({ waiting: z.int(), active: z.int() })
      .describe('Chunk jobs of all runs, whoever owns them.'),
    outbox: z.object({ bytes: z.number(), limit_bytes: z.number() }),
    fingerprints: z.array(z.object({ fingerprint: z.string(), workers: z.int() })),
  })
  .meta({ id: 'Status' });
export type Status = z.output<typeof statusSchema>;
