import { failure } from '@cropstream/errors';
import { parseRunKey, runKeyOf } from '../names.js';
import type { RunKey, RunRecord, RunState } from '../records.js';
import type { Keys } from './keys.js';
import type { RedisLink } from './link.js';
import { CLOSE, OPEN, TOUCH } from './lua/attachments.js';
import { CLOSE_RUN, LIST_RUNS, OPEN_RUN, SET_STATE, TOUCH_RUN, WAS_CLOSED } from './lua/runs.js';
import { readRun } from './read-records.js';
import type { RedisManifests } from './redis-manifests.js';

/**
 * The runs. Their records lie in the catalog, in one slot; that a run is open under a name is also known beside its
 * chunks, in the slot of its key. A crash between the two leaves a run that looks closed in one place: whoever has
 * its spec opens it again.
 */
export class RedisRuns {
  /** As of `#version`: a run's spec is kilobytes, and every worker asks twice a second. */
  #known: readonly RunRecord[] = [];
  #version = '';

  constructor(
    private readonly link: RedisLink,
    private readonly keys: Keys,
    private readonly manifests: RedisManifests,
    private readonly idleMs: number,
  ) {}

  async open(given: RunRecord): Promise<{ readonly run: RunRecord; readonly created: boolean }> {
    const { link, keys, idleMs } = this;
    const args = [idOf(given.owner, given.name), JSON.stringify(given), idleMs];
    const [json, created] = (await link.run(OPEN_RUN, keys.catalog, args)) as [string, number];
    const run = readRun(json);
    if (run.digest === given.digest) {
      await link.run(OPEN, keys.run(runKeyOf(run)), [run.name, idleMs]);
      await this.manifests.touch(run.manifestDigest, idleMs);
    }
    return { run, created: created === 1 };
  }

  async all(): Promise<readonly RunRecord[]> {
    const answer = await this.link.run(LIST_RUNS, this.keys.catalog, [this.#version]);
    const [version, records] = answer as [string, string[]?];
    if (records) {
      this.#known = records.map(readRun);
      this.#version = version;
    }
    return this.#known;
  }

  async byName(owner: string, name: string): Promise<RunRecord | null> {
    return (await this.all()).find((run) => run.owner === owner && run.name === name) ?? null;
  }

  async byKey(key: RunKey): Promise<RunRecord | null> {
    return (await this.all()).find((run) => runKeyOf(run) === key) ?? null;
  }

  async close(owner: string, name: string): Promise<void> {
    const run = await this.byName(owner, name);
    if (run === null) return;
    await this.link.run(CLOSE, this.keys.run(runKeyOf(run)), [name]);
    await this.link.run(CLOSE_RUN, this.keys.catalog, [idOf(owner, name), run.digest]);
  }

  async wasClosed(key: RunKey, name: string): Promise<boolean> {
    const { owner, digest } = parseRunKey(key);
    return (await this.link.run(WAS_CLOSED, this.keys.catalog, [idOf(owner, name), digest])) === 1;
  }

  async setState(owner: string, name: string, state: RunState): Promise<RunRecord | null> {
    const args = [idOf(owner, name), state];
    const json = (await this.link.run(SET_STATE, this.keys.catalog, args)) as string | null;
    return json === null ? null : readRun(json);
  }

  /** Keeps a run that is in use, its record and its manifest. */
  async touch(key: RunKey, name: string, leaseMs: number): Promise<void> {
    const { link, keys } = this;
    const { owner, digest } = parseRunKey(key);
    const ms = Math.max(leaseMs, this.idleMs);
    const run = await this.byName(owner, name);
    await Promise.all([
      link.run(TOUCH, keys.run(key), [name, ms]),
      link.run(TOUCH_RUN, keys.catalog, [idOf(owner, name), digest, ms]),
      ...(run?.digest === digest ? [this.manifests.touch(run.manifestDigest, ms)] : []),
    ]);
  }

  /** RUN_NOT_FOUND, with the names that there are, of the same owner: those of others are none of its business. */
  async notOpen(key: RunKey, run: string): Promise<Error> {
    const { owner } = parseRunKey(key);
    const known = (await this.all()).flatMap((open) => (open.owner === owner ? open.name : []));
    return failure('RUN_NOT_FOUND', { run, known: known.join(', ') || 'none' });
  }
}

const idOf = (owner: string, name: string) => `${owner}/${name}`;
