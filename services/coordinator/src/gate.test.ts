import { MemoryStore } from '@cropstream/broker';
import { exampleWorker } from '@cropstream/broker/contract';
import { PROTOCOL_VERSION, reflectionPackage, toStatus, workerHealthName } from '@cropstream/protocol';
import { OPEN, OPEN_ACCESS } from '@cropstream/runtime';
import { GrpcServer } from '@cropstream/runtime/grpc';
import { GrpcAccess } from '@cropstream/runtime/grpc-access';
import { VirtualClock } from '@cropstream/runtime/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Dial, dialBy, Gate } from './gate.js';

const workerOf = (id: string, more: { address?: string; protocolVersion?: number } = {}) =>
  exampleWorker({ id, address: `${id}:1`, protocolVersion: PROTOCOL_VERSION, ...more });

describe('Gate', () => {
  let clock: VirtualClock;
  let store: MemoryStore;
  let lines: string[];
  let dialled: string[];
  let gate: Gate;
  let dial: Dial;

  beforeEach(() => {
    clock = new VirtualClock();
    store = new MemoryStore({ clock });
    lines = [];
    dialled = [];
    dial = async () => {};
    const tell = (fields: object, message: string) =>
      lines.push('err' in fields ? String(fields.err) : message);
    gate = new Gate({
      store,
      clock,
      log: { info: tell, warn: tell } as never,
      dial: async (worker) => {
        dialled.push(worker.id);
        await dial(worker);
      },
    });
  });

  afterEach(() => gate.stop());

  const beat = (worker = workerOf('w1')) => store.beat(worker, 3_600_000);
  const admitted = async () => gate.admitted(await store.workers()).map(({ id }) => id);

  it('dials a new worker once and admits it', async () => {
    await beat();
    await clock.advance(100);
    expect(await store.verdict('w1')).toEqual({ admitted: true });
    expect(await admitted()).toEqual(['w1']);
    await clock.advance(50_000);
    expect(dialled).toEqual(['w1']);
    expect(lines).toEqual(['a worker joined']);
  });

  it('keeps its word in a store that forgets', async () => {
    await beat();
    await clock.advance(100_000);
    expect(await store.verdict('w1')).toEqual({ admitted: true });
  });

  it('refuses a worker that it cannot reach, says so once, and lets it in once it can', async () => {
    dial = async () => {
      throw new Error('No connection established');
    };
    await beat();
    await clock.advance(4_000);
    expect(await store.verdict('w1')).toEqual({
      admitted: false,
      reason: 'it cannot be dialled back: No connection established',
    });
    await clock.advance(10_000);
    expect(dialled.length).toBe(3);
    expect(lines).toEqual([expect.stringMatching(/w1 at w1:1 is refused: .*No connection established/)]);
    expect(await admitted()).toEqual([]);
    dial = async () => {};
    await clock.advance(6_000);
    expect(await admitted()).toEqual(['w1']);
    expect(lines.at(-1)).toBe('a worker joined');
  });

  it('refuses an unknown protocol version without dialling', async () => {
    await beat(workerOf('w9', { protocolVersion: 99 }));
    await clock.advance(100);
    expect(await store.verdict('w9')).toMatchObject({
      admitted: false,
      reason: expect.stringContaining('99'),
    });
    expect(dialled).toEqual([]);
  });

  it('dials few at once', async () => {
    let open = 0;
    let most = 0;
    dial = async () => {
      open++;
      most = Math.max(most, open);
      await new Promise<void>((resolve) => clock.timer(10, resolve));
      open--;
    };
    for (let i = 0; i < 100; i++) await beat(workerOf(`w${i}`));
    await clock.advance(5_000);
    expect(dialled.length).toBe(100);
    expect(most).toBe(32);
  });
});

describe('dialBy', () => {
  const dialWorker = dialBy(new GrpcAccess(OPEN));

  it('tells a worker from another service at its address, and from nobody', async () => {
    const server = await GrpcServer.listen({
      host: '127.0.0.1',
      port: 0,
      portFlag: '--port',
      channel: {},
      certificates: null,
      access: OPEN_ACCESS,
      toStatus,
      services: {},
      healthNames: [workerHealthName('w1')],
      reflection: reflectionPackage,
    });
    const address = `127.0.0.1:${server.port}`;
    await dialWorker(workerOf('w1', { address }));
    await expect(dialWorker(workerOf('w2', { address }))).rejects.toThrow('another service answers there');
    await server.stop(0);
    await expect(dialWorker(workerOf('w1', { address }))).rejects.toThrow(
      /cannot reach .*nothing listens there/,
    );
  });
});
