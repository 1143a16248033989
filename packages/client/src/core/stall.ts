import type { ChunkWaiting } from '@cropstream/protocol';
import { keyOf, rangeOf, type Slot } from './slots.js';

/**
 * What a step waits for, in words: which chunk, since when, who has it.
 *
 * @param slots of the step awaited
 * @param waiting what the coordinator said last, if anything
 * @param now the clock's milliseconds
 */
export function describeWait(slots: readonly Slot[], waiting: ChunkWaiting | null, now: number): string {
  const slot = slots.find(({ state }) => state !== 'held');
  if (slot === undefined) return 'nothing is missing';
  const { epoch, first, last } = slot.chunk;
  const chunk = `chunk ${first}-${last} of epoch ${epoch}`;
  const age = seconds(now - slot.since);
  const after = slot.failed
    ? `, after ${slot.failures} failed fetches, the last from worker ${slot.failed.workerId}: ${slot.failed.problem}`
    : '';
  return `${chunk}, wanted for ${age}, ${holderOf(slot, waiting, now)}${after}`;
}

function holderOf(slot: Slot, waiting: ChunkWaiting | null, now: number): string {
  if (slot.fetch !== null) {
    const { announcement, received, route, startedAt } = slot.fetch;
    const { workerId, address } = announcement.location;
    const age = seconds(now - startedAt);
    const through = route === 'relay' ? ' through the coordinator' : '';
    return `is being fetched from worker ${workerId} at ${address}${through} for ${age}, ${received} of ${announcement.bytes} bytes`;
  }
  if (slot.next !== null) {
    return `lies ready at worker ${slot.next.location.workerId} (${slot.next.location.address})`;
  }
  const said = waiting?.chunk && keyOf(rangeOf(waiting.chunk)) === keyOf(slot.chunk) ? waiting : null;
  if (said === null) return 'was not announced, nor did the coordinator say who has it';
  const asked = `asked for ${said.seconds.toFixed(1)} s ago`;
  if (said.runPaused) return `is not made while the run is paused by its operator (${asked})`;
  // Attempts count from 1: none was made while the run's share of the queue is full.
  if (said.attempt === 0) return `waits for its place in the queue (${asked})`;
  return said.workerId === ''
    ? `is in the queue (attempt ${said.attempt}, ${asked}): no worker has taken it`
    : `is being made by worker ${said.workerId} (attempt ${said.attempt}, ${asked})`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
