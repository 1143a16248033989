import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createLogger, type ProcessLike, Shutdown, sleep } from './index.js';
import { VirtualClock } from './testing.js';

class FakeProcess extends EventEmitter implements ProcessLike {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

function make() {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ name: 'test', stream: { write: (line) => lines.push(JSON.parse(line)) } });
  const clock = new VirtualClock();
  const process = new FakeProcess();
  const shutdown = new Shutdown({ log, clock, graceMs: 1_000, process });
  shutdown.listen();
  const closed: string[] = [];
  const add = (name: string, ms = 0) =>
    shutdown.add(name, async () => {
      await sleep(clock, ms);
      closed.push(name);
    });
  return { lines, clock, process, shutdown, closed, add };
}

describe('Shutdown', () => {
  it('closes what was opened last first, one after the other, and exits with 0', async () => {
    const { clock, process, shutdown, closed, add } = make();
    add('store', 10);
    add('server', 300);
    add('worker', 200);
    process.emit('SIGTERM', 'SIGTERM');
    expect(shutdown.signal.aborted).toBe(true);
    await clock.advance(200);
    expect(closed).toEqual(['worker']);
    await clock.advance(310);
    expect(closed).toEqual(['worker', 'server', 'store']);
    expect(process.exits).toEqual([0]);
    expect(process.listenerCount('SIGTERM') + process.listenerCount('SIGINT')).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('ends at once on a second signal', async () => {
    const { clock, process, add } = make();
    add('server', 500);
    process.emit('SIGINT', 'SIGINT');
    await clock.advance(10);
    process.emit('SIGINT', 'SIGINT');
    expect(process.exits).toEqual([130]);
  });

  it('gives up after the grace, naming what hangs', async () => {
    const { clock, process, lines, add } = make();
    add('server', 5_000);
    process.emit('SIGTERM', 'SIGTERM');
    await clock.advance(1_000);
    expect(process.exits).toEqual([1]);
    expect(lines).toContainEqual(expect.objectContaining({ level: 'error', closing: 'server' }));
  });

  it('closes the rest where one fails, and says so in the exit code', async () => {
    const { clock, process, shutdown, closed, add } = make();
    add('store');
    shutdown.add('server', () => Promise.reject(new Error('stuck')));
    const ended = shutdown.end('a test');
    expect(shutdown.end('again')).toBe(ended);
    await clock.advance(10);
    await ended;
    expect(closed).toEqual(['store']);
    expect(process.exits).toEqual([1]);
  });
});
