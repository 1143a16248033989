import { createHash } from 'node:crypto';
import { AFFINITIES, type WorkerRecord } from '@cropstream/broker';

/**
 * Which parts of datasets a worker prefers, so that each part is read, and kept in a cache, by few: every part goes to the worker with
 * the highest hash of both (rendezvous hashing), so all workers agree without a word, and one that comes or goes moves no
 * others' parts. Goes by addresses: a worker that starts again where it was finds what it kept.
 */
export class Preferences {
  #known = '';
  #preferred: ReadonlySet<number> = new Set();

  constructor(private readonly self: Pick<WorkerRecord, 'address' | 'fingerprint'>) {}

  /** The affinities of the jobs that it prefers. */
  get preferred(): ReadonlySet<number> {
    return this.#preferred;
  }

  /** Takes in which workers live. */
  update(workers: readonly Pick<WorkerRecord, 'address' | 'fingerprint'>[]): void {
    const { address, fingerprint } = this.self;
    const others = workers.filter((each) => each.fingerprint === fingerprint).map((each) => each.address);
    const addresses = [...new Set([address, ...others])].sort();
    const known = addresses.join(' ');
    if (known === this.#known) return;
    this.#known = known;
    const preferred = new Set<number>();
    for (let affinity = 0; affinity < AFFINITIES; affinity++) {
      if (ownerOf(affinity, addresses) === address) preferred.add(affinity);
    }
    this.#preferred = preferred;
  }
}

/** @param addresses sorted: of equal hashes the first has it */
function ownerOf(affinity: number, addresses: readonly string[]): string | undefined {
  let owner: string | undefined;
  let highest = -1;
  for (const address of addresses) {
    const hash = createHash('sha256').update(`${affinity} ${address}`, 'utf8').digest().readUInt32LE(0);
    if (hash <= highest) continue;
    highest = hash;
    owner = address;
  }
  return owner;
}
