import { createServer } from 'node:net';
import { systemClock } from '@cropstream/runtime';
import { expect, it } from 'vitest';
import { advertisedHost } from './advertise.js';

const options = {
  advertise: undefined,
  host: '0.0.0.0',
  redis: { url: 'redis://127.0.0.1:1' },
  clock: systemClock,
  log: { info() {}, warn() {} },
  signal: new AbortController().signal,
};

it('is what the operator said, or the one address that is listened on', async () => {
  expect(await advertisedHost({ ...options, advertise: 'worker-3.example' })).toBe('worker-3.example');
  expect(await advertisedHost({ ...options, host: '10.1.2.3' })).toBe('10.1.2.3');
});

it('is else the address from which Redis is reached, once it is there', async () => {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  expect(await advertisedHost({ ...options, redis: { url: `redis://127.0.0.1:${port}` } })).toBe('127.0.0.1');
  server.close();
});

it('waits for Redis until it is told to end', async () => {
  const end = new AbortController();
  const waiting = advertisedHost({
    ...options,
    log: { info() {}, warn: () => end.abort() },
    signal: end.signal,
  });
  await expect(waiting).rejects.toThrow('aborted');
});
