// @ts-check
// A trainer as chaos has them: draws as one rank, and after each batch commits its state, in one write together with
// what it drew. Killed at any moment and started again, it goes on from the last commit. Its parent tells it where to
// end (`{ end: step }`) and hears of each commit (`{ step, waited }`).
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CropstreamError, MultiCropLoader, StreamDigest } from '@cropstream/client';

/** @typedef {{ target: string, run: string, rank: number, worldSize: number, journal: string, stepMs: number, end?: number | undefined }} Task */
/**
 * @typedef {object} Commit a line of a journal
 * @property {number} step
 * @property {string} digest of the batch
 * @property {number} asked when the trainer began to wait for it: milliseconds since 1970
 * @property {number} waited milliseconds; of a process' first batch its way to the coordinator too
 * @property {import('@cropstream/client').LoaderState} state
 */

/** Longer than any fault lasts, and than services take to start on a busy machine. */
const TIMEOUT_MS = 120_000;

/** @type {Task} */
const { journal, stepMs, end: knownEnd, ...task } = JSON.parse(process.argv[2] ?? '');

/** The last commit's state. A line that a kill cut short is none, and goes. */
function lastState() {
  if (!existsSync(journal)) return undefined;
  const text = readFileSync(journal, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole.length < text.length) truncateSync(journal, Buffer.byteLength(whole));
  const last = whole.split('\n').at(-2);
  return last === undefined ? undefined : /** @type {Commit} */ (JSON.parse(last)).state;
}

const state = lastState();
let next = state?.global_step ?? 0;
let end = knownEnd ?? Number.POSITIVE_INFINITY;
process.on('message', (/** @type {{ end: number }} */ message) => {
  end = message.end;
});
// Its parent is gone.
process.on('disconnect', () => process.exit(1));
// It was killed after its last commit.
if (next >= end) process.exit(0);

let asked = Date.now();
let began = performance.now();
const { run, ...place } = task;

/** Tries again where no coordinator is there for longer than a loader waits, as whoever supervises a trainer would. */
async function open() {
  for (;;) {
    try {
      return await MultiCropLoader.open({
        ...place,
        ...(state === undefined ? { run } : { state }),
        consumer: 'chaos',
        endless: true,
        // Who starts it again knows that the former process is dead.
        takeover: true,
        timeoutMs: TIMEOUT_MS,
      });
    } catch (error) {
      if (!(error instanceof CropstreamError && error.retryable) || performance.now() - began > TIMEOUT_MS) {
        throw error;
      }
    }
  }
}

const loader = await open();
for await (const batch of loader) {
  const waited = performance.now() - began;
  if (batch.globalStep !== next) throw new Error(`step ${batch.globalStep} came where ${next} was due`);
  next++;
  const digest = new StreamDigest();
  digest.update(batch);
  /** @type {Commit} */
  const commit = {
    step: batch.globalStep,
    digest: digest.hex(),
    asked,
    waited: Math.round(waited),
    state: loader.stateDict(),
  };
  appendFileSync(journal, `${JSON.stringify(commit)}\n`);
  process.send?.({ step: commit.step, waited: commit.waited });
  if (next >= end) break;
  await sleep(stepMs);
  asked = Date.now();
  began = performance.now();
}
await loader.close();
process.exit(0);
