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
    const seeds = addresses.map(seedOf);
    const own = addresses.indexOf(address);
    const preferred = new Set<number>();
    for (let affinity = 0; affinity < AFFINITIES; affinity++) {
      if (ownerOf(affinity, seeds) === own) preferred.add(affinity);
    }
    this.#preferred = preferred;
  }
}

/** A cryptographic hash an address, not one a part of it: a fleet of a thousand is looked at anew with every one that comes or goes. */
function seedOf(address: string): number {
  return createHash('sha256').update(address, 'utf8').digest().readInt32LE(0);
}

/** Which of the addresses has a part; of equal hashes the first. */
function ownerOf(affinity: number, seeds: readonly number[]): number {
  let owner = -1;
  let highest = -1;
  for (const [i, seed] of seeds.entries()) {
    const hash = mixed(seed ^ mixed(affinity));
    if (hash <= highest) continue;
    highest = hash;
    owner = i;
  }
  return owner;
}

/** MurmurHash3's finalizer: every bit of the input flips each bit of the output in half of all cases. */
function mixed(input: number): number {
  let bits = input ^ (input >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
