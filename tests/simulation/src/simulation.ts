import { VirtualClock } from '@cropstream/runtime/testing';
import { Chance } from './chance.js';
import { checkNothingLeft, watchMakers, watchMemory } from './checks.js';
import { Faults, HANGS_ON_MS } from './faults.js';
import { Fleet } from './fleet.js';
import { Network } from './network.js';
import { drawScenario } from './scenario.js';
import { Server } from './server.js';
import { Job } from './trainers.js';
import { type Counts, NO_COUNTS, type World } from './world.js';

/** After the last fault no rank may wait for a batch so long. */
const STALL_MS = 30_000;
/** Enough for all the batches of a run, if none stalls. */
const PROGRESS_MS = 600_000;
/** After the last batch: leases run out, what is unwanted is dropped, stalled jobs come round once more. */
const QUIET_MS = 16_000;

export interface Outcome {
  readonly seed: number;
  /** What must never be and was; null: the run was as promised. */
  readonly violation: string | null;
  readonly counts: Counts;
  /** The longest that a rank waited for a batch once the faults had ended, in virtual milliseconds. */
  readonly longestWaitMs: number;
  readonly virtualMs: number;
}

/** One short run of a whole fleet under the faults that its seed says. The same seed gives the same run. */
export async function simulate(seed: number, log: ((line: string) => void) | null = null): Promise<Outcome> {
  const scenarioChance = new Chance(seed, 0);
  const clock = new VirtualClock();
  const scenario = drawScenario(scenarioChance, new Chance(seed, 3));
  let violation: string | null = null;
  const timed = log && ((line: string) => log(`${clock.now().toFixed(1).padStart(9)}  ${line}`));
  const world: World = {
    seed,
    scenario,
    clock,
    chance: { scenario: scenarioChance, network: new Chance(seed, 1), faults: new Chance(seed, 2) },
    counts: { ...NO_COUNTS },
    log: timed,
    hostile: true,
    violation(what) {
      if (violation !== null) return;
      violation = what;
      timed?.(`VIOLATION  ${what}`);
    },
  };
  const server = new Server(world);
  const network = new Network(world);
  const fleet = new Fleet(world, server, network);
  const mayFail = ({ code }: { code: string }) =>
    code === 'CHUNK_FAILED' &&
    (scenario.hostility.makeFails > 0 || world.counts.crashes + world.counts.pauses > 4);
  const jobs = scenario.consumers.map((consumer) => new Job(consumer, network, mayFail));
  const stalled = () =>
    jobs.some(({ slots }) =>
      slots.some(
        ({ done, lastYieldAt }) =>
          !done && clock.now() - Math.max(lastYieldAt, scenario.hostileMs) > STALL_MS,
      ),
    );
  const finished = () => violation !== null || jobs.every((job) => job.finished);
  const onRejection = (error: unknown) =>
    world.violation(
      `a promise was rejected and nobody listened: ${error instanceof Error ? error.stack : error}`,
    );
  process.on('unhandledRejection', onRejection);
  try {
    fleet.start();
    for (const job of jobs) job.start();
    watchMemory(fleet, jobs);
    watchMakers(fleet);
    new Faults(fleet, jobs).start();
    await clock.runUntil(() => finished() || stalled(), scenario.hostileMs + PROGRESS_MS).catch(() => {});
    if (!finished()) world.violation(`no progress: ${describe(jobs)}`);
    await clock.runUntil(() => !world.hostile || violation !== null, scenario.hostileMs);
    // A trainer that was given up long ago may have come back last of all, and waits for what a worker hangs with.
    const quietMs = QUIET_MS + (world.counts.hangs > 0 ? HANGS_ON_MS : 0);
    await clock.runUntil(() => violation !== null, quietMs).catch(() => {});
    if (violation === null) await checkNothingLeft(fleet);
  } catch (error) {
    world.violation(`thrown: ${error instanceof Error ? error.stack : error}`);
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  const longestWaitMs = Math.max(...jobs.map((job) => job.longestWaitMs));
  return { seed, violation, counts: world.counts, longestWaitMs, virtualMs: clock.now() };
}

function describe(jobs: readonly Job[]): string {
  return jobs
    .flatMap(({ slots }) => slots)
    .filter(({ done }) => !done)
    .map(
      ({ name, checkpoint, lastYieldAt }) =>
        `${name} at step ${checkpoint.step}+, last batch at ${Math.round(lastYieldAt)} ms`,
    )
    .join('; ');
}
