import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../processes.mjs';
import { TcpProxy } from './proxy.mjs';

/** A server that sends back what it gets. */
const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
let proxy: TcpProxy;

beforeEach(async () => {
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  proxy = await TcpProxy.listen({ host: '127.0.0.1', port: 0 }, { host: '127.0.0.1', port });
});

afterEach(async () => {
  await proxy.close();
  echo.close();
});

async function dial(): Promise<{ socket: Socket; received: () => string; closed: () => boolean }> {
  const socket = connect(proxy.address);
  await once(socket, 'connect');
  let received = '';
  socket.on('data', (data) => {
    received += data;
  });
  socket.on('error', () => undefined);
  return { socket, received: () => received, closed: () => socket.closed };
}

describe('a proxy of chaos', () => {
  test('lets everything through, however much', async () => {
    const { socket, received } = await dial();
    const sent = 'cropstream'.repeat(1_000_000);
    socket.write(sent);
    await until('all of it is back', () => received().length === sent.length);
    expect(received()).toBe(sent);
  });

  test('cuts a connection in the middle of what passes, and takes new ones', async () => {
    const { socket, closed } = await dial();
    socket.write('first');
    proxy.cut();
    socket.write('second');
    await until('it is closed', closed);
    expect(proxy.cuts).toBe(1);
    const again = await dial();
    again.socket.write('third');
    await until('it is answered', () => again.received() === 'third');
  });

  test('is silent for a while, and loses nothing', async () => {
    const { socket, received, closed } = await dial();
    const silence = proxy.silence(100);
    socket.write('text');
    const late = await dial();
    late.socket.write('late');
    let over = false;
    void silence.then(() => {
      over = true;
    });
    await until('both are answered', () => received() === 'text' && late.received() === 'late');
    expect(over).toBe(true);
    expect(closed()).toBe(false);
  });

  test('closes what nobody takes behind it', async () => {
    echo.close();
    const { closed } = await dial();
    await until('it is closed', closed);
    echo.listen(proxy.upstream.port, '127.0.0.1');
    await once(echo, 'listening');
    const again = await dial();
    again.socket.write('text');
    await until('it is answered', () => again.received() === 'text');
  });
});
