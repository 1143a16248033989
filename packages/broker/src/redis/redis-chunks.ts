import type { ChunkName, ChunkState, OutstandingRecord, ReadyRecord, RunKey } from '../records.js';
import type { Keys } from './keys.js';
import type { RedisLink } from './link.js';
import { BEGIN, CLAIM, FAIL, HEDGE, OUTSTANDING, PUBLISH, RELEASE, RETRACT, STATES } from './lua/chunks.js';
import type { RedisRuns } from './redis-runs.js';
import type { RedisWorkers } from './redis-workers.js';
import { together } from './together.js';

/** How many chunks one call of a script looks at: Lua takes no more than some thousands of arguments. */
const CHUNKS_AT_ONCE = 2_000;

interface Claim {
  readonly chunk: ChunkName;
  readonly share: number;
}

function parseOutstanding(chunk: ChunkName, value: string): OutstandingRecord {
  const [attempt, claimed, taken, failures, deaths, by, hedge, hedgeBy] = value.split(' ');
  return {
    chunk,
    attempt: Number(attempt),
    claimedAt: Number(claimed),
    takenBy: by ? by : null,
    takenAt: by ? Number(taken) : null,
    failures: Number(failures),
    deaths: Number(deaths),
    hedge: hedge === '0' ? null : { attempt: Number(hedge), takenBy: hedgeBy || null },
  };
}

function parseReady(chunk: ChunkName, value: string): ReadyRecord {
  const [attempt, workerId, address, tlsName, bytes] = JSON.parse(value) as [
    number,
    string,
    string,
    string,
    number,
  ];
  return { chunk, attempt, workerId, address, tlsName, bytes };
}

const readyValue = ({ attempt, workerId, address, tlsName, bytes }: ReadyRecord) =>
  JSON.stringify([attempt, workerId, address, tlsName, bytes]);

/**
 * The chunks of the runs. Whether a worker lives is known in another slot than what it holds: what scripts find ready is
 * held against the workers here, and taken out where its worker is gone.
 */
export class RedisChunks {
  constructor(
    private readonly link: RedisLink,
    private readonly keys: Keys,
    private readonly runs: RedisRuns,
    private readonly workers: RedisWorkers,
    private readonly idleMs: number,
  ) {}

  async claim(
    runKey: RunKey,
    chunk: ChunkName,
    share: number,
  ): Promise<{ readonly claimed: OutstandingRecord } | { readonly refused: 'share' } | ChunkState> {
    for (;;) {
      const answer = await this.#claim(runKey, { chunk, share });
      if (answer === null) throw await this.runs.notOpen(runKey, runKey);
      const [kind, value = ''] = answer;
      if (kind === 'share') return { refused: 'share' };
      if (kind === 'claimed') return { claimed: parseOutstanding(chunk, value) };
      if (kind === 'outstanding') return { state: kind, outstanding: parseOutstanding(chunk, value) };
      if (kind === 'failed') return { state: kind, failed: { chunk, errorJson: value } };
      const ready = parseReady(chunk, value);
      if ((await this.#withoutGone(runKey, [ready])).length > 0) return { state: 'ready', ready };
    }
  }

  readonly #claim = together(async (runKey, claims: readonly Claim[]) => {
    const answers: ([string, string?] | null)[] = [];
    for (let from = 0; from < claims.length; from += CHUNKS_AT_ONCE) {
      const some = claims.slice(from, from + CHUNKS_AT_ONCE);
      const args = [2 * this.idleMs, ...some.flatMap(({ chunk, share }) => [chunk, share])];
      const answer = await this.link.run(CLAIM, this.keys.run(runKey), args);
      answers.push(...((answer as [string, string?][] | null) ?? some.map(() => null)));
    }
    return answers;
  });

  async hedge(runKey: RunKey, chunk: ChunkName, attempt: number, percent: number): Promise<number | null> {
    const args = [chunk, attempt, percent, 2 * this.idleMs];
    return (await this.link.run(HEDGE, this.keys.run(runKey), args)) as number | null;
  }

  async begin(runKey: RunKey, chunk: ChunkName, attempt: number, workerId: string): Promise<boolean> {
    return (await this.link.run(BEGIN, this.keys.run(runKey), [chunk, attempt, workerId])) === 1;
  }

  async publish(runKey: RunKey, ready: ReadyRecord): Promise<boolean> {
    const args = [ready.chunk, readyValue(ready), 2 * this.idleMs];
    return (await this.link.run(PUBLISH, this.keys.run(runKey), args)) === 1;
  }

  async retract(runKey: RunKey, chunk: ChunkName, workerId: string, attempt: number): Promise<boolean> {
    return (await this.link.run(RETRACT, this.keys.run(runKey), [chunk, workerId, attempt])) === 1;
  }

  async release(
    runKey: RunKey,
    chunk: ChunkName,
    attempt: number,
    why: 'failure' | 'death' | 'abandoned',
  ): Promise<{ readonly failures: number; readonly deaths: number }> {
    const answer = await this.link.run(RELEASE, this.keys.run(runKey), [chunk, attempt, why]);
    const [failures, deaths] = answer as [number, number];
    return { failures, deaths };
  }

  async fail(runKey: RunKey, chunk: ChunkName, errorJson: string): Promise<void> {
    for (;;) {
      const value = (await this.link.run(FAIL, this.keys.run(runKey), [chunk, errorJson, 2 * this.idleMs])) as
        | string
        | null;
      if (value === null) return;
      const ready = parseReady(chunk, value);
      if ((await this.#withoutGone(runKey, [ready])).length > 0) return;
    }
  }

  async states(runKey: RunKey, chunks: readonly ChunkName[]): Promise<readonly ChunkState[]> {
    const states: ChunkState[] = [];
    for (let from = 0; from < chunks.length; from += CHUNKS_AT_ONCE) {
      const some = chunks.slice(from, from + CHUNKS_AT_ONCE);
      const values = (await this.link.run(STATES, this.keys.run(runKey), some)) as string[];
      states.push(...some.map((chunk, i) => stateOf(chunk, values[i] ?? '')));
    }
    const ready = states.flatMap((state) => (state.state === 'ready' ? [state.ready] : []));
    const held = new Set(await this.#withoutGone(runKey, ready));
    return states.map((state) =>
      state.state !== 'ready' || held.has(state.ready) ? state : { state: 'none' },
    );
  }

  async outstanding(runKey: RunKey): Promise<readonly OutstandingRecord[]> {
    const answer = await this.link.run(OUTSTANDING, this.keys.run(runKey), []);
    const [outstanding, someReady] = answer as [string[], string[]];
    // What gone workers held and nobody asks for again would stay for ever: each call looks at a little of it.
    await this.#withoutGone(runKey, pairs(someReady, parseReady));
    return pairs(outstanding, parseOutstanding);
  }

  /** Those whose workers live; the others are taken out. */
  async #withoutGone(runKey: RunKey, ready: readonly ReadyRecord[]): Promise<ReadyRecord[]> {
    if (ready.length === 0) return [];
    const gone = await this.workers.gone(ready.map(({ workerId }) => workerId));
    const lost = ready.filter(({ workerId }) => gone.has(workerId));
    await Promise.all(
      lost.map(({ chunk, workerId }) => this.link.run(RETRACT, this.keys.run(runKey), [chunk, workerId, ''])),
    );
    return ready.filter(({ workerId }) => !gone.has(workerId));
  }
}

function stateOf(chunk: ChunkName, found: string): ChunkState {
  const value = found.slice(1);
  switch (found[0]) {
    case 'r':
      return { state: 'ready', ready: parseReady(chunk, value) };
    case 'o':
      return { state: 'outstanding', outstanding: parseOutstanding(chunk, value) };
    case 'f':
      return { state: 'failed', failed: { chunk, errorJson: value } };
    default:
      return { state: 'none' };
  }
}

/** Of a hash as Redis returns it: field, value, field, value. */
function pairs<T>(flat: readonly string[], make: (field: string, value: string) => T): T[] {
  return Array.from({ length: flat.length / 2 }, (_, i) => make(flat[2 * i]!, flat[2 * i + 1]!));
}
