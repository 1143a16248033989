import { runKeyOf } from '../names.js';
import type { AttachmentRecord, RunKey, RunRecord } from '../records.js';
import type { Keys } from './keys.js';
import type { RedisLink } from './link.js';
import { ATTACH, ATTACHMENTS, CURSOR, DETACH, RENEW } from './lua/attachments.js';
import { readAttachment } from './read-records.js';
import type { RedisRuns } from './redis-runs.js';
import { together } from './together.js';

/** How many renewals one call of the script takes: Lua takes no more than some thousands of arguments. */
const RENEWALS_AT_ONCE = 500;

const rankOf = ({ runName, rank, consumer }: Pick<AttachmentRecord, 'runName' | 'rank' | 'consumer'>) =>
  JSON.stringify([runName, rank, consumer]);

/** As scripts keep it: `<lease> <fencing> <record>`. */
function parse(value: string): AttachmentRecord {
  const [, fencing = '', json = ''] = /^\d+ (\d+) (.*)$/s.exec(value) ?? [];
  return readAttachment(json, Number(fencing));
}

/** Who draws, each with a lease. */
export class RedisAttachments {
  constructor(
    private readonly link: RedisLink,
    private readonly keys: Keys,
    private readonly runs: RedisRuns,
    private readonly idleMs: number,
  ) {}

  async attach(
    attachment: Omit<AttachmentRecord, 'fencing'>,
    leaseMs: number,
    takeover: boolean,
  ): Promise<
    | { readonly ok: true; readonly fencing: number }
    | { readonly ok: false; readonly holder: AttachmentRecord }
  > {
    const { runName, runKey, process, nextStep } = attachment;
    const args = [runName, rankOf(attachment), process, nextStep, JSON.stringify(attachment)];
    const answer = await this.link.run(ATTACH, this.keys.run(runKey), [
      ...args,
      leaseMs,
      this.idleMs,
      takeover ? 1 : 0,
    ]);
    const [kind, value = ''] = answer as [string, string?];
    if (kind === 'closed') throw await this.runs.notOpen(runKey, runName);
    if (kind === 'held') return { ok: false, holder: parse(value) };
    await this.runs.touch(runKey, runName, leaseMs);
    return { ok: true, fencing: Number(value) };
  }

  async renew(attachment: AttachmentRecord, leaseMs: number): Promise<boolean> {
    const { runName, runKey } = attachment;
    const word = await this.#renew(`${runKey} ${leaseMs}`, attachment);
    if (word === 'closed') throw await this.runs.notOpen(runKey, runName);
    if (word === 'due') await this.runs.touch(runKey, runName, leaseMs);
    return word !== 'superseded';
  }

  /** By run key and lease. */
  readonly #renew = together(async (group, attachments: readonly AttachmentRecord[]) => {
    const [runKey = '', leaseMs = ''] = group.split(' ');
    const words: string[] = [];
    for (let from = 0; from < attachments.length; from += RENEWALS_AT_ONCE) {
      const args = attachments.slice(from, from + RENEWALS_AT_ONCE).flatMap(({ fencing, ...attachment }) => {
        const { runName, nextStep } = attachment;
        return [runName, rankOf(attachment), fencing, nextStep, JSON.stringify(attachment)];
      });
      const answer = await this.link.run(RENEW, this.keys.run(runKey), [leaseMs, this.idleMs, ...args]);
      words.push(...(answer as string[]));
    }
    return words;
  });

  async detach(attachment: AttachmentRecord): Promise<void> {
    const { runKey, fencing, nextStep } = attachment;
    await this.link.run(DETACH, this.keys.run(runKey), [rankOf(attachment), fencing, nextStep]);
  }

  async of(runKey: RunKey): Promise<readonly AttachmentRecord[]> {
    return ((await this.link.run(ATTACHMENTS, this.keys.run(runKey), [])) as string[]).map(parse);
  }

  async cursor(
    { owner, name }: Pick<RunRecord, 'owner' | 'name'>,
    consumer: string,
    rank: number,
  ): Promise<number | null> {
    const run = await this.runs.byName(owner, name);
    if (run === null) return null;
    const field = rankOf({ runName: name, rank, consumer });
    const value = (await this.link.run(CURSOR, this.keys.run(runKeyOf(run)), [name, field])) as string | null;
    return value === null ? null : Number(value.split(' ')[1]);
  }
}
