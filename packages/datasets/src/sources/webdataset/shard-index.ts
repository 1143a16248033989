import { BLOCK_BYTES, TarError } from '../../formats/tar.js';
import type { TarMember } from '../../formats/tar-walk.js';
import { type ImageChoice, imageOf, kindOf, splitName } from './names.js';

/**
 * Where a shard's samples are. A sample's members lie one after the other, so that a sample is one span of whole blocks, from the
 * headers of its first member that is used to the end of its last. Eight bytes a sample.
 */
export interface ShardIndex {
  /** The first block of each sample. */
  readonly starts: Uint32Array;
  /** How many blocks it has. */
  readonly lengths: Uint32Array;
}

/** Of the most that an index's numbers can say: 2 TiB. */
export const MAX_SHARD_BYTES = 2 ** 32 * BLOCK_BYTES;

/** What was met in a shard and is no sample. */
export interface ShardLeftovers {
  /** Members that are part of no sample, metadata among them. */
  readonly members: number;
  /** Samples without an image, and the extensions of the first such. */
  readonly imageless: number;
  readonly imagelessExample: string | null;
}

/** Gathers members into samples, as WebDataset's group_by_keys does: members of one key, one after the other. */
export class SampleGrouper {
  readonly #choice: ImageChoice;
  #starts = new Uint32Array(1024);
  #lengths = new Uint32Array(1024);
  #count = 0;
  #members = 0;
  #imageless = 0;
  #imagelessExample: string | null = null;
  #key: string | null = null;
  #current = new Map<string, TarMember>();

  constructor(choice: ImageChoice) {
    this.#choice = choice;
  }

  /** Samples so far, but the one that is open. */
  get length(): number {
    return this.#count;
  }

  /** @throws TarError for a name that is twice in a sample, or that leads out of its folder */
  add(member: TarMember): void {
    const name = splitName(member.name);
    if (name === null) {
      this.#members += 1;
      return;
    }
    if (name.key !== this.#key) {
      this.#close();
      this.#key = name.key;
    }
    if (this.#current.has(name.extension)) {
      throw new TarError(`the member ${JSON.stringify(member.name.slice(0, 200))} is there twice in a row`);
    }
    this.#current.set(name.extension, member);
  }

  finish(): { readonly index: ShardIndex; readonly leftovers: ShardLeftovers } {
    this.#close();
    return {
      index: { starts: this.#starts.slice(0, this.#count), lengths: this.#lengths.slice(0, this.#count) },
      leftovers: {
        members: this.#members,
        imageless: this.#imageless,
        imagelessExample: this.#imagelessExample,
      },
    };
  }

  #close(): void {
    const members = this.#current;
    if (members.size === 0) return;
    this.#current = new Map();
    const image = imageOf(members.keys(), this.#choice);
    if (image === undefined) {
      this.#imageless += 1;
      this.#imagelessExample ??= [...members.keys()].slice(0, 8).join(', ');
      return;
    }
    let first = Number.POSITIVE_INFINITY;
    let end = 0;
    for (const [extension, { start, offset, size }] of members) {
      if (extension !== image && !isField(extension)) continue;
      first = Math.min(first, start);
      end = Math.max(end, offset + size);
    }
    this.#push(first / BLOCK_BYTES, Math.ceil((end - first) / BLOCK_BYTES));
  }

  #push(start: number, length: number): void {
    if (this.#count === this.#starts.length) {
      this.#starts = doubled(this.#starts);
      this.#lengths = doubled(this.#lengths);
    }
    this.#starts[this.#count] = start;
    this.#lengths[this.#count] = length;
    this.#count += 1;
  }
}

/** Whether a member other than the image is read with a sample. */
export const isField = (extension: string): boolean => {
  const kind = kindOf(extension);
  return kind === 'json' || kind === 'text' || kind === 'integer';
};

function doubled(from: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const to = new Uint32Array(2 * from.length);
  to.set(from);
  return to;
}

const MAGIC = 0x31495754; // "TWI1"
const HEADER_BYTES = 8;

/** The index as it is kept beside a manifest: a magic number, the count, the starts, the lengths; little-endian. */
export function encodeIndex({ starts, lengths }: ShardIndex): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + 8 * starts.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, starts.length, true);
  for (let i = 0; i < starts.length; i++) {
    view.setUint32(HEADER_BYTES + 4 * i, starts[i] as number, true);
    view.setUint32(HEADER_BYTES + 4 * (starts.length + i), lengths[i] as number, true);
  }
  return bytes;
}

/** @throws TarError for bytes that `encodeIndex` did not write */
export function decodeIndex(bytes: Uint8Array): ShardIndex {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.length >= HEADER_BYTES ? view.getUint32(4, true) : 0;
  if (bytes.length !== HEADER_BYTES + 8 * count || view.getUint32(0, true) !== MAGIC) {
    throw new TarError('its index is not one');
  }
  const column = (at: number) =>
    Uint32Array.from({ length: count }, (_, i) => view.getUint32(HEADER_BYTES + 4 * (at + i), true));
  return { starts: column(0), lengths: column(count) };
}
