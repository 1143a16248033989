import { describe, expect, it } from 'vitest';
import { sleep } from './index.js';
import { VirtualClock } from './virtual-clock.js';

describe('VirtualClock', () => {
  it('runs timers in the order of their time, then of their age', async () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    clock.timer(20, () => ran.push('b'));
    clock.timer(10, () => ran.push('a'));
    clock.timer(20, () => ran.push('c'));
    clock.timer(21, () => ran.push('late'));
    await clock.advance(20);
    expect(ran).toEqual(['a', 'b', 'c']);
    expect(clock.now()).toBe(20);
    expect(clock.pending).toBe(1);
  });

  it('runs what a timer sets and what its promises lead to, in the same advance', async () => {
    const clock = new VirtualClock();
    const times: number[] = [];
    const loop = async () => {
      for (let i = 0; i < 3; i++) {
        await sleep(clock, 10);
        times.push(clock.now());
      }
    };
    const done = loop();
    await clock.advance(30);
    await done;
    expect(times).toEqual([10, 20, 30]);
  });

  it('forgets a cancelled timer, and moves wall time with its own', async () => {
    const clock = new VirtualClock(1_000);
    clock.timer(5, () => expect.unreachable()).cancel();
    await clock.advance(10);
    expect(clock.wall()).toBe(1_010);
  });

  it('runs until a condition holds, and says when it does not', async () => {
    const clock = new VirtualClock();
    let woken = false;
    clock.timer(70, () => {
      woken = true;
    });
    await clock.runUntil(() => woken, 1_000);
    expect(clock.now()).toBe(70);
    await expect(clock.runUntil(() => false, 50)).rejects.toThrow('50 ms');
  });

  it('ends a sleep at once when its signal aborts', async () => {
    const clock = new VirtualClock();
    const abort = new AbortController();
    const slept = sleep(clock, 1_000, abort.signal);
    abort.abort();
    await slept;
    expect(clock.pending).toBe(0);
  });
});
