import { failure } from '@cropstream/errors';
import { z } from 'zod';
import type { RunInfo } from './core/run.js';
import { integer, text, validate } from './validation.js';

const STATE_VERSION = 1;

const loaderStateSchema = z.object({
  version: z.literal(STATE_VERSION, { error: `${STATE_VERSION}, the version that this client reads` }),
  run: text(),
  spec_json: text(),
  run_digest: text(),
  manifest_digest: text(),
  fingerprint: z.string({ error: 'a string' }),
  global_step: integer(0),
  consumer: text(),
});

/**
 * All that a resume needs, as plain JSON: which run, and the global step that comes next. It counts what was yielded,
 * never what was prefetched, and knows nothing of rank or world size, so it fits a job of any size. The spec in it
 * opens the run again wherever it is not open any more.
 */
export type LoaderState = z.infer<typeof loaderStateSchema>;

/** @throws SPEC_INVALID for anything that `stateDict` does not write */
export function parseState(input: unknown): LoaderState {
  return validate(loaderStateSchema, 'state', input);
}

export function makeState(run: RunInfo, globalStep: number, consumer: string): LoaderState {
  return {
    version: STATE_VERSION,
    run: run.name,
    spec_json: run.specJson,
    run_digest: run.digest,
    manifest_digest: run.manifestDigest,
    fingerprint: run.fingerprint,
    global_step: globalStep,
    consumer,
  };
}

/**
 * Whether a state belongs to the run: the same samples in the same order with the same pixels. Names may differ.
 *
 * @throws STATE_MISMATCH naming the field that differs; FINGERPRINT_MISMATCH where only the pixels would
 */
export function checkState(state: LoaderState, run: RunInfo): void {
  const compare = (field: 'manifest_digest' | 'run_digest', current: string) => {
    if (state[field] !== current) throw failure('STATE_MISMATCH', { field, saved: state[field], current });
  };
  compare('manifest_digest', run.manifestDigest);
  compare('run_digest', run.digest);
  if (state.fingerprint !== run.fingerprint) {
    throw failure('FINGERPRINT_MISMATCH', { given: state.fingerprint, expected: run.fingerprint });
  }
}
