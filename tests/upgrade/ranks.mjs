// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { CropstreamError, MultiCropLoader, StreamDigest } from '@cropstream/client';
import { until } from '../processes.mjs';

/** A wait that lasts longer ends a rank, and the whole with it. */
const TIMEOUT_MS = 60_000;
/** A trainer's own work on a batch. */
const STEP_MS = 100;

/** The ranks of one job, drawing until they are told where to end. */
export class Ranks {
  /** Of each rank the lines `<step> <digest>` of what it yielded, as `cropstream pull --digests` writes them. */
  lines;
  /**
   * Milliseconds that each rank waited for each batch, and when it had it by `performance.now()`.
   * @type {{ waited: number, at: number }[]}
   */
  waits = [];
  #end = Number.POSITIVE_INFINITY;
  #done;

  /**
   * @param {string} target
   * @param {{ run: string } | { spec: unknown }} what
   * @param {number} worldSize
   */
  constructor(target, what, worldSize) {
    this.lines = Array.from({ length: worldSize }, () => /** @type {string[]} */ ([]));
    this.#done = Promise.all(
      this.lines.map((lines, rank) => this.#draw(lines, { target, ...what, rank, worldSize })),
    );
    // Told by `finish`.
    this.#done.catch(() => undefined);
  }

  /** @param {string[]} lines @param {{ target: string, rank: number, worldSize: number }} place */
  async #draw(lines, place) {
    const loader = await MultiCropLoader.open({
      ...place,
      consumer: 'upgrade',
      endless: true,
      timeoutMs: TIMEOUT_MS,
    });
    try {
      let began = performance.now();
      for await (const batch of loader) {
        if (batch.globalStep !== lines.length)
          throw new Error(`step ${batch.globalStep} came where ${lines.length} was due`);
        const at = performance.now();
        this.waits.push({ waited: at - began, at });
        const digest = new StreamDigest();
        digest.update(batch);
        lines.push(`${batch.globalStep} ${digest.hex()}`);
        if (lines.length >= this.#end) return;
        await sleep(STEP_MS);
        began = performance.now();
      }
    } finally {
      await loader.close();
    }
  }

  /** How many batches the rank has that is behind. */
  get reached() {
    return Math.min(...this.lines.map(({ length }) => length));
  }

  /** Until every rank has drawn `more` batches from now on. @param {number} more */
  async go(more) {
    const aim = this.reached + more;
    const drawn = until(`${more} batches more`, () => this.reached >= aim, 2 * TIMEOUT_MS);
    await Promise.race([drawn, this.#done]);
  }

  /** Ends all ranks at one step, which none of them has reached; that step. */
  async finish() {
    this.#end = Math.max(...this.lines.map(({ length }) => length)) + 10;
    await this.#done;
    return this.#end;
  }

  /** The longest wait for a batch that came after a moment. @param {number} since */
  longestWait(since) {
    return Math.max(...this.waits.filter(({ at }) => at >= since).map(({ waited }) => waited));
  }
}

/** What a trainer is told that wants the batches of `run` from step `from` on. @param {string} target @param {string} run */
export async function errorOf(target, run, timeoutMs = 5_000) {
  try {
    const loader = await MultiCropLoader.open({ target, run, consumer: 'late', timeoutMs });
    for await (const _ of loader) return null;
  } catch (error) {
    if (error instanceof CropstreamError) return error;
    throw error;
  }
  return null;
}
