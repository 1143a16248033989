import type { ChunkName } from '@cropstream/broker';
import type { MadeChunk } from '@cropstream/chunks';
import { failure } from '@cropstream/errors';

/** Why a chunk left the outbox: sent before, wanted by nobody, over its run's share, made by another first. */
export type DropReason = 'delivered' | 'unwanted' | 'share' | 'lost';

/** A finished chunk that waits to be fetched. */
export interface HeldChunk {
  readonly runKey: string;
  readonly chunk: ChunkName;
  /** The newest attempt that it was published as. */
  readonly attempt: number;
  readonly made: MadeChunk;
}

interface Entry {
  readonly held: HeldChunk;
  /** When it was sent whole the first time, in order of sending; null before. */
  delivered: number | null;
  wanted: boolean;
  /** Streams that send it. Its memory stays until they end. */
  pins: number;
  dropped: boolean;
}

/** Room for one chunk to come. */
export interface Reservation {
  readonly bytes: number;
  /**
   * Books the room to a run, in the size that its chunk takes. False, and nothing changes, where that is more than was
   * reserved and the rest cannot be had at once.
   */
  assign(runKey: string, bytes: number): boolean;
  /** Puts the chunk in its room; the rest is given back. */
  fill(held: HeldChunk): void;
  /** Gives the room back, unless it was filled. */
  release(): void;
}

export interface OutboxOptions {
  /** Bytes of chunks held, being made and reserved for, together. */
  readonly limitBytes: number;
  /** The largest chunk that may come. Every run has a share of that at least. */
  readonly maxChunkBytes: number;
  /** Called for each chunk that is dropped by itself: its ready record is to be retracted. */
  readonly onEvict: (held: HeldChunk, reason: DropReason) => void;
}

const keyOf = (runKey: string, chunk: ChunkName) => `${runKey}/${chunk}`;

/**
 * Finished chunks until they are fetched, bounded in bytes: a job is taken only with room for its result. For
 * room it drops chunks in this order, and none unless that makes the room: those sent already, those that no
 * attachment wants, those of runs over their share (last needed first). A dropped chunk can be made again.
 */
export class Outbox {
  readonly #entries = new Map<string, Entry>();
  /** Bytes by run, reserved ones included; '' for room that no run has yet. */
  readonly #bytesByRun = new Map<string, number>();
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  #usedBytes = 0;
  #deliveries = 0;
  #activeRuns = 1;

  /** @throws LIMIT_EXCEEDED where one largest chunk has no room */
  constructor(private readonly options: OutboxOptions) {
    const { limitBytes, maxChunkBytes } = options;
    if (limitBytes < maxChunkBytes) {
      throw failure('LIMIT_EXCEEDED', {
        field: 'maxChunkBytes',
        value: maxChunkBytes,
        limit: `the outbox, ${limitBytes} bytes`,
      });
    }
  }

  get limitBytes(): number {
    return this.options.limitBytes;
  }

  get maxChunkBytes(): number {
    return this.options.maxChunkBytes;
  }

  /** Bytes held and reserved. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Chunks held, oldest first. */
  held(): readonly HeldChunk[] {
    return [...this.#entries.values()].map(({ held }) => held);
  }

  get(runKey: string, chunk: ChunkName): HeldChunk | null {
    return this.#entries.get(keyOf(runKey, chunk))?.held ?? null;
  }

  /** Chunks held that were not sent yet to anyone. */
  undelivered(): readonly HeldChunk[] {
    return [...this.#entries.values()].filter(({ delivered }) => delivered === null).map(({ held }) => held);
  }

  /** True while a held chunk was not sent yet to anyone. */
  get hasUndelivered(): boolean {
    return [...this.#entries.values()].some(({ delivered }) => delivered === null);
  }

  /** True while a chunk is on its way out. */
  get isSending(): boolean {
    return [...this.#entries.values()].some(({ pins }) => pins > 0);
  }

  /** Resolves once there is room for a chunk of so many bytes, at most `maxChunkBytes`. @throws CANCELLED on abort */
  async reserve(bytes: number, signal: AbortSignal): Promise<Reservation> {
    if (signal.aborted) throw failure('CANCELLED', { what: 'reserving room' });
    if (this.#waiting.length > 0 || !this.#makeRoom(bytes)) {
      await new Promise<void>((enter, reject) => {
        const waiter = { bytes, enter: () => {} };
        const leave = () => {
          this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
          reject(failure('CANCELLED', { what: 'reserving room' }));
        };
        waiter.enter = () => {
          signal.removeEventListener('abort', leave);
          enter();
        };
        signal.addEventListener('abort', leave, { once: true });
        this.#waiting.push(waiter);
      });
    } else {
      this.#book('', bytes);
    }
    return this.#reservation(bytes);
  }

  /**
   * False where a run has its share already and the next chunk's room would be made by dropping this very
   * chunk: then it is not worth making now. The next is taken to reserve what this one has reserved.
   */
  admits(runKey: string, bytes: number): boolean {
    if (this.#bytesOf(runKey) + bytes <= this.#share()) return true;
    const gained = this.#victims(false).reduce((sum, { entry }) => sum + entry.held.made.capacity, 0);
    return this.#usedBytes + bytes - gained <= this.options.limitBytes;
  }

  /** Renames a held chunk to a newer attempt, whose record is about to be published. */
  renew(runKey: string, chunk: ChunkName, attempt: number): HeldChunk | null {
    const entry = this.#entries.get(keyOf(runKey, chunk));
    if (entry === undefined) return null;
    const held = { ...entry.held, attempt };
    this.#entries.set(keyOf(runKey, chunk), Object.assign(entry, { held }));
    return held;
  }

  /** The chunk, its memory safe until `close` is called; null if it is not here. */
  open(runKey: string, chunk: ChunkName): { held: HeldChunk; close(sentWhole: boolean): void } | null {
    const entry = this.#entries.get(keyOf(runKey, chunk));
    if (entry === undefined) return null;
    entry.pins++;
    let open = true;
    return {
      held: entry.held,
      close: (sentWhole) => {
        if (!open) return;
        open = false;
        entry.pins--;
        if (sentWhole) entry.delivered ??= this.#deliveries++;
        if (entry.dropped) this.#free(entry);
        this.#admit();
      },
    };
  }

  /** Drops a chunk, without a call to `onEvict`. False if it was not here under that attempt. */
  drop(runKey: string, chunk: ChunkName, attempt: number): boolean {
    const entry = this.#entries.get(keyOf(runKey, chunk));
    if (entry === undefined || entry.held.attempt !== attempt) return false;
    this.#remove(entry);
    this.#admit();
    return true;
  }

  /**
   * What the world wants by now: `isWanted` of each chunk held, and how many runs share this outbox. What was
   * sent and is wanted no more goes at once. What was not may have been asked for a moment ago: it goes when
   * room is needed, and the caller drops it when it stays unwanted.
   */
  update(activeRuns: number, isWanted: (held: HeldChunk) => boolean): void {
    this.#activeRuns = Math.max(1, activeRuns);
    for (const entry of this.#entries.values()) {
      entry.wanted = isWanted(entry.held);
      if (entry.wanted || entry.delivered === null || entry.pins > 0) continue;
      this.#remove(entry);
      this.options.onEvict(entry.held, 'delivered');
    }
    this.#admit();
  }

  #reservation(reserved: number): Reservation {
    let run = '';
    let bytes = reserved;
    let open = true;
    const set = (toRun: string, toBytes: number) => {
      this.#book(run, -bytes);
      this.#book(toRun, toBytes);
      run = toRun;
      bytes = toBytes;
    };
    return {
      get bytes() {
        return bytes;
      },
      assign: (runKey, needed) => {
        if (needed > bytes && !this.#makeRoom(needed - bytes)) return false;
        set(runKey, needed);
        this.#admit();
        return true;
      },
      fill: (held) => {
        open = false;
        this.drop(held.runKey, held.chunk, this.get(held.runKey, held.chunk)?.attempt ?? -1);
        set(held.runKey, held.made.capacity);
        this.#entries.set(keyOf(held.runKey, held.chunk), {
          held,
          delivered: null,
          wanted: true,
          pins: 0,
          dropped: false,
        });
        this.#admit();
      },
      release: () => {
        if (!open) return;
        open = false;
        this.#book(run, -bytes);
        this.#admit();
      },
    };
  }

  #share(): number {
    return Math.max(this.options.maxChunkBytes, Math.floor(this.options.limitBytes / this.#activeRuns));
  }

  #bytesOf(runKey: string): number {
    return this.#bytesByRun.get(runKey) ?? 0;
  }

  #book(runKey: string, bytes: number): void {
    this.#usedBytes += bytes;
    const now = this.#bytesOf(runKey) + bytes;
    if (now === 0) this.#bytesByRun.delete(runKey);
    else this.#bytesByRun.set(runKey, now);
  }

  #admit(): void {
    for (let head = this.#waiting[0]; head && this.#makeRoom(head.bytes); head = this.#waiting[0]) {
      this.#waiting.shift();
      this.#book('', head.bytes);
      head.enter();
    }
  }

  /** True if there is room, after dropping chunks where that helps; without effect where it does not. */
  #makeRoom(bytes: number): boolean {
    let missing = this.#usedBytes + bytes - this.options.limitBytes;
    const chosen: Victim[] = [];
    for (const victim of missing > 0 ? this.#victims(true) : []) {
      if (missing <= 0) break;
      missing -= victim.entry.held.made.capacity;
      chosen.push(victim);
    }
    if (missing > 0) return false;
    for (const { entry, reason } of chosen) {
      this.#remove(entry);
      this.options.onEvict(entry.held, reason);
    }
    return true;
  }

  /** What may be dropped, first the best to drop. Chunks that are being sent would free nothing. */
  #victims(overShare: boolean): Victim[] {
    const idle = [...this.#entries.values()].filter(({ pins }) => pins === 0);
    const delivered = idle
      .filter((entry) => entry.delivered !== null)
      .sort((a, b) => a.delivered! - b.delivered!)
      .map((entry): Victim => ({ entry, reason: 'delivered' }));
    const waiting = idle.filter((entry) => entry.delivered === null);
    const unwanted = waiting
      .filter(({ wanted }) => !wanted)
      .map((entry): Victim => ({ entry, reason: 'unwanted' }));
    const kept = waiting.filter(({ wanted }) => wanted);
    return [
      ...delivered,
      ...unwanted,
      ...(overShare ? this.#overShare(kept, [...delivered, ...unwanted]) : []),
    ];
  }

  /** Chunks of the runs that are most over their share, each run's last needed first. */
  #overShare(kept: readonly Entry[], before: readonly Victim[]): Victim[] {
    const bytes = new Map(this.#bytesByRun);
    for (const { entry } of before) {
      const { runKey, made } = entry.held;
      bytes.set(runKey, bytes.get(runKey)! - made.capacity);
    }
    const left = [...kept].sort((a, b) => laterFirst(a.held.chunk, b.held.chunk));
    const victims: Victim[] = [];
    for (;;) {
      const over = left.filter(({ held }) => bytes.get(held.runKey)! > this.#share());
      const worst = over.reduce<Entry | undefined>(
        (most, entry) =>
          most === undefined || bytes.get(entry.held.runKey)! > bytes.get(most.held.runKey)! ? entry : most,
        undefined,
      );
      if (worst === undefined) return victims;
      left.splice(left.indexOf(worst), 1);
      bytes.set(worst.held.runKey, bytes.get(worst.held.runKey)! - worst.held.made.capacity);
      victims.push({ entry: worst, reason: 'share' });
    }
  }

  #remove(entry: Entry): void {
    this.#entries.delete(keyOf(entry.held.runKey, entry.held.chunk));
    entry.dropped = true;
    if (entry.pins === 0) this.#free(entry);
  }

  #free(entry: Entry): void {
    if (entry.pins > 0) return;
    this.#book(entry.held.runKey, -entry.held.made.capacity);
    entry.held.made.release();
  }
}

interface Victim {
  readonly entry: Entry;
  readonly reason: DropReason;
}

/** Compares `<epoch>-<first>-<last>`: later positions of later epochs come first. */
function laterFirst(a: ChunkName, b: ChunkName): number {
  const [aEpoch = 0, aFirst = 0] = a.split('-').map(Number);
  const [bEpoch = 0, bFirst = 0] = b.split('-').map(Number);
  return bEpoch - aEpoch || bFirst - aFirst;
}
