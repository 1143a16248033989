import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { failure } from '@cropstream/errors';
import { OPEN_ACCESS, type Principal } from '@cropstream/runtime';
import { beforeEach, expect, test } from 'vitest';
import { useFixture } from '../../test-support/fixture.js';
import { DEFAULT_LIMITS } from '../limits.js';
import type { ApiContext } from './context.js';
import { EventHub } from './event-hub.js';

const f = useFixture();
const LIMIT = 1_000;
const principal: Principal = { name: 'watcher', owner: 'default', role: 'operator' };

/** A response whose reader takes what it is told to take. */
class Reader extends EventEmitter {
  readonly written: string[] = [];
  writableLength = 0;
  writableEnded = false;
  destroyed = false;

  constructor(readonly reads: boolean) {
    super();
  }

  write(text: string): void {
    this.written.push(text);
    if (!this.reads) this.writableLength += text.length;
  }

  end(): void {
    this.writableEnded = true;
    this.emit('close');
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }

  get names(): string[] {
    return this.written.flatMap((text) => [...text.matchAll(/^event: (.*)$/gm)].map(([, name = '']) => name));
  }
}

let revoke: (principal: Principal) => void = () => {};
let hub: EventHub;

function subscribe(reads: boolean, runs: readonly string[] = []): Reader {
  const reader = new Reader(reads);
  const response = reader as unknown as ServerResponse;
  hub.subscribe({ principal, owner: null, runs, response });
  return reader;
}

beforeEach(() => {
  const { store, broker, clock, catalog } = f.current;
  const access = {
    ...OPEN_ACCESS,
    onRevoked(listener: (principal: Principal) => void) {
      revoke = listener;
      return () => {
        revoke = () => {};
      };
    },
  };
  const limits = { ...DEFAULT_LIMITS, eventStreams: 2, eventBufferBytes: LIMIT };
  // What the hub asks of it; the rest is for routes.
  const context = { id: 'c', store, broker, clock, catalog, access, limits, desiredWorkers: () => null };
  hub = new EventHub(context as unknown as ApiContext);
});

test('tells at once, then every second, and nobody when nobody is there', async () => {
  await f.current.open('run');
  const reader = subscribe(true, ['run', 'other']);
  await f.current.clock.advance(0);
  expect(reader.names).toEqual(['fleet', 'run', 'gone']);
  await f.current.clock.advance(3_000);
  expect(reader.names).toHaveLength(12);
  reader.end();
  expect(hub.subscribers).toBe(0);
  await f.current.clock.advance(3_000);
  expect(reader.names).toHaveLength(12);
});

test('drops a reader that does not read, and goes on with the others', async () => {
  const [idle, reader] = [subscribe(false), subscribe(true)];
  await f.current.clock.advance(10_000);
  expect(idle.destroyed).toBe(true);
  expect(hub.dropped).toBe(1);
  // What one snapshot has over the limit, at most.
  expect(idle.writableLength).toBeLessThan(LIMIT + (idle.written[0]?.length ?? 0) + 1);
  expect(reader.names).toHaveLength(11);
});

test('takes no more readers than its limit, and ends those whose token is revoked', async () => {
  subscribe(true);
  const last = subscribe(true);
  expect(() => subscribe(true)).toThrow(/2 streams of events/);
  revoke(principal);
  expect(last.writableEnded).toBe(true);
  expect(hub.subscribers).toBe(1);
});

test('keeps its readers while the store is away', async () => {
  // It would meet the same store.
  await f.current.coordinator.stop();
  const reader = subscribe(true);
  await f.current.clock.advance(0);
  const { workers } = f.current.store;
  f.current.store.workers = async () => {
    throw failure('STORE_UNAVAILABLE', { target: 'redis', reason: 'it is away' });
  };
  await f.current.clock.advance(2_000);
  expect(reader.written.at(-1)).toMatch(/^: STORE_UNAVAILABLE /);
  f.current.store.workers = workers;
  await f.current.clock.advance(1_000);
  expect(reader.names).toHaveLength(2);
});
