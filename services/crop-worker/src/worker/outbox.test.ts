import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fakeChunk, type Released } from '../../test-support/chunks.js';
import { type DropReason, type HeldChunk, Outbox, type Reservation } from './outbox.js';

const never = new AbortController().signal;

function held(runKey: string, first: number, bytes: number, released?: Released): HeldChunk {
  return { runKey, chunk: `0-${first}-${first + 1}`, attempt: 1, made: fakeChunk(bytes, released) };
}

function outbox(limitBytes: number, maxChunkBytes: number) {
  const evicted: [string, DropReason][] = [];
  const box = new Outbox({
    limitBytes,
    maxChunkBytes,
    onEvict: ({ runKey, chunk }, reason) => evicted.push([`${runKey}/${chunk}`, reason]),
  });
  return { box, evicted };
}

async function put(box: Outbox, chunk: HeldChunk): Promise<void> {
  (await box.reserve(box.maxChunkBytes, never)).fill(chunk);
}

/** Sends a chunk whole. */
function send(box: Outbox, { runKey, chunk }: HeldChunk): void {
  box.open(runKey, chunk)!.close(true);
}

/** A reservation for a largest chunk that is made as soon as there is room. */
function pending(box: Outbox, signal = never): { granted: () => Reservation | null } {
  let reservation: Reservation | null = null;
  void box.reserve(box.maxChunkBytes, signal).then((made) => {
    reservation = made;
  });
  return { granted: () => reservation };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('Outbox', () => {
  it('refuses a limit below the largest chunk', () => {
    expect(() => outbox(99, 100)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });

  it('waits for room rather than drop what is wanted', async () => {
    const { box, evicted } = outbox(250, 100);
    await put(box, held('a', 0, 100));
    await put(box, held('a', 1, 100));
    const third = pending(box);
    await settled();
    expect(third.granted()).toBeNull();
    box.drop('a', '0-0-1', 1);
    await settled();
    expect(third.granted()).not.toBeNull();
    expect(evicted).toEqual([]);
  });

  it('drops what was sent first, oldest first', async () => {
    const { box, evicted } = outbox(300, 100);
    const chunks = [held('a', 0, 100), held('a', 1, 100), held('a', 2, 100)];
    for (const chunk of chunks) await put(box, chunk);
    send(box, chunks[2]!);
    send(box, chunks[0]!);
    await put(box, held('a', 3, 100));
    await put(box, held('a', 4, 100));
    expect(evicted).toEqual([
      ['a/0-2-3', 'delivered'],
      ['a/0-0-1', 'delivered'],
    ]);
  });

  it('lets go at once of what was sent and is wanted no more', async () => {
    const { box, evicted } = outbox(400, 100);
    const [sent, unsent] = [held('a', 0, 100), held('a', 1, 100)];
    for (const chunk of [sent, unsent]) await put(box, chunk);
    send(box, sent);
    box.update(1, () => true);
    expect(box.size).toBe(2);
    box.update(1, () => false);
    expect(evicted).toEqual([['a/0-0-1', 'delivered']]);
    expect(box.held()).toEqual([unsent]);
  });

  it('then what nobody wants', async () => {
    const { box, evicted } = outbox(200, 100);
    await put(box, held('a', 0, 100));
    await put(box, held('a', 1, 100));
    const third = pending(box);
    box.update(1, ({ chunk }) => chunk !== '0-1-2');
    await settled();
    expect(third.granted()).not.toBeNull();
    expect(evicted).toEqual([['a/0-1-2', 'unwanted']]);
  });

  it('then what a stalled run holds over its share, last needed first', async () => {
    const { box, evicted } = outbox(400, 100);
    for (const first of [2, 0, 3, 1]) await put(box, held('stalled', first, 100));
    const other = pending(box);
    await settled();
    expect(other.granted()).toBeNull();
    box.update(2, () => true);
    await settled();
    other.granted()!.fill(held('lively', 0, 100));
    expect(evicted).toEqual([['stalled/0-3-4', 'share']]);
    await put(box, held('lively', 1, 100));
    expect(evicted.slice(1)).toEqual([['stalled/0-2-3', 'share']]);
    // Both have their share now: whoever comes next waits.
    const last = pending(box);
    await settled();
    expect(last.granted()).toBeNull();
  });

  it('does not let a run over its share make what it would have to drop again', async () => {
    const { box } = outbox(400, 100);
    box.update(2, () => true);
    for (const first of [0, 1]) await put(box, held('stalled', first, 100));
    await put(box, held('lively', 0, 100));
    const room = await box.reserve(box.maxChunkBytes, never);
    expect(box.admits('stalled', 100)).toBe(false);
    expect(box.admits('lively', 100)).toBe(true);
    send(box, held('stalled', 0, 100));
    expect(box.admits('stalled', 100)).toBe(true);
    room.release();
  });

  it('drops nothing where that does not make the room', async () => {
    const { box, evicted } = outbox(300, 200);
    const sent = held('a', 0, 50);
    await put(box, sent);
    const rest = await box.reserve(box.maxChunkBytes, never);
    rest.assign('a', 200);
    send(box, sent);
    const next = pending(box);
    await settled();
    expect(next.granted()).toBeNull();
    expect(evicted).toEqual([]);
    rest.release();
    await settled();
    expect(next.granted()).not.toBeNull();
    expect(evicted).toEqual([]);
  });

  it('gives more than was reserved where there is room, and nothing where there is not', async () => {
    const { box, evicted } = outbox(300, 200);
    const sent = held('a', 0, 100);
    await put(box, sent);
    const [small, other] = [await box.reserve(50, never), await box.reserve(50, never)];
    expect(small.assign('b', 200)).toBe(false);
    expect([small.bytes, box.usedBytes]).toEqual([50, 200]);
    expect(small.assign('b', 150)).toBe(true);
    expect([small.bytes, box.usedBytes]).toEqual([150, 300]);
    expect(other.assign('b', 51)).toBe(false);
    send(box, sent);
    expect(other.assign('b', 51)).toBe(true);
    expect(evicted).toEqual([['a/0-0-1', 'delivered']]);
    expect(box.usedBytes).toBe(201);
  });

  it('keeps the memory of a chunk that is being sent, and answers no more for it', async () => {
    const { box } = outbox(100, 100);
    const released: Released = new Map();
    const chunk = held('a', 0, 100, released);
    await put(box, chunk);
    const stream = box.open('a', '0-0-1')!;
    expect(box.drop('a', '0-0-1', 1)).toBe(true);
    expect(box.open('a', '0-0-1')).toBeNull();
    expect(released.size).toBe(0);
    const next = pending(box);
    await settled();
    expect(next.granted()).toBeNull();
    stream.close(true);
    await settled();
    expect(released.get(chunk.made)).toBe(1);
    expect(next.granted()).not.toBeNull();
  });

  it('gives up waiting on abort', async () => {
    const { box } = outbox(100, 100);
    await put(box, held('a', 0, 100));
    const stop = new AbortController();
    const waiting = box.reserve(100, stop.signal);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(box.reserve(100, stop.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('stays within its limit, frees everything once, and lets everyone in who can be, whatever happens', async () => {
    const LIMIT = 1_000;
    const MAX = 300;
    const run = fc.constantFrom('a', 'b', 'c');
    const step = fc.oneof(
      fc.record({ kind: fc.constant('reserve' as const), bytes: fc.integer({ min: 1, max: MAX }) }),
      fc.record({
        kind: fc.constant('fill' as const),
        run,
        first: fc.nat(9),
        bytes: fc.integer({ min: 1, max: MAX }),
      }),
      fc.record({ kind: fc.constant('give-up' as const) }),
      fc.record({ kind: fc.constant('open' as const), run, first: fc.nat(9) }),
      fc.record({ kind: fc.constant('close' as const), whole: fc.boolean() }),
      fc.record({ kind: fc.constant('drop' as const), run, first: fc.nat(9) }),
      fc.record({
        kind: fc.constant('update' as const),
        runs: fc.integer({ min: 0, max: 3 }),
        wanted: fc.nat(9),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const released: Released = new Map();
        const made: HeldChunk[] = [];
        const { box } = outbox(LIMIT, MAX);
        const granted: Reservation[] = [];
        const streams: { held: HeldChunk; close: (whole: boolean) => void }[] = [];
        let asked = 0;
        for (const each of steps) {
          if (each.kind === 'reserve') {
            asked++;
            void box.reserve(each.bytes, never).then((reservation) => granted.push(reservation));
          } else if (each.kind === 'fill') {
            const reservation = granted.shift();
            if (reservation) {
              const chunk = held(each.run, each.first, each.bytes, released);
              if (reservation.assign(each.run, each.bytes)) {
                made.push(chunk);
                reservation.fill(chunk);
              } else reservation.release();
            }
          } else if (each.kind === 'give-up') granted.shift()?.release();
          else if (each.kind === 'open') {
            const stream = box.open(each.run, `0-${each.first}-${each.first + 1}`);
            if (stream) streams.push(stream);
          } else if (each.kind === 'close') streams.shift()?.close(each.whole);
          else if (each.kind === 'drop') box.drop(each.run, `0-${each.first}-${each.first + 1}`, 1);
          else box.update(each.runs, ({ chunk }) => chunk !== `0-${each.wanted}-${each.wanted + 1}`);
          await settled();
          expect(box.usedBytes).toBeLessThanOrEqual(LIMIT);
          for (const { held: sending } of streams) expect(released.get(sending.made)).toBeUndefined();
          for (const chunk of box.held()) expect(released.get(chunk.made)).toBeUndefined();
        }
        // The end: everything is given back, and everyone who waited is let in.
        for (const stream of streams.splice(0)) stream.close(true);
        for (const chunk of box.held()) box.drop(chunk.runKey, chunk.chunk, chunk.attempt);
        await settled();
        for (let left = asked; left > 0 && granted.length > 0; left--) {
          granted.shift()!.release();
          await settled();
        }
        expect(box.usedBytes).toBe(0);
        for (const chunk of made) expect(released.get(chunk.made)).toBe(1);
      }),
      { numRuns: 150 },
    );
  });
});
