import type { ChunkRange } from '@cropstream/protocol';
import type { WantedChunk } from '@cropstream/schedule';
import type { BatchBuilder } from './assembly.js';
import type { Announcement, ChunkFetch } from './fetch.js';

/** A chunk's place in an epoch's order, in numbers. */
export interface PositionRange {
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
}

/**
 * One chunk of the window.
 *
 * - `awaited`: not announced, or not to be had where it was
 * - `announced`: to be fetched as soon as there is a place
 * - `fetching`
 * - `held`: its rows are in the batch, checked
 */
export interface Slot {
  readonly chunk: WantedChunk;
  /** Its first row in the batch. */
  readonly row: number;
  state: 'awaited' | 'announced' | 'fetching' | 'held';
  /** When it came into the window. */
  readonly since: number;
  /** Where to fetch it next; while fetching, where else it lies. */
  next: Announcement | null;
  fetch: ChunkFetch | null;
  /** Not to be fetched from the worker of the last failure before this. */
  notBefore: number;
  failures: number;
  /** The last failure: who and why. */
  failed: { readonly workerId: string; readonly attempt: number; readonly problem: string } | null;
}

/** One step of the window. Its tensors are allocated when its first chunk is fetched. */
export interface StepSlots {
  readonly step: number;
  readonly rows: number;
  readonly slots: readonly Slot[];
  builder: BatchBuilder | null;
}

export function keyOf({ epoch, first, last }: PositionRange): string {
  return `${epoch}-${first}-${last}`;
}

export function rangeOf({ epoch, first, last }: ChunkRange): PositionRange {
  return { epoch: Number(epoch), first: Number(first), last: Number(last) };
}

export function toWire({ epoch, first, last }: PositionRange): ChunkRange {
  return { epoch: BigInt(epoch), first: BigInt(first), last: BigInt(last) };
}
