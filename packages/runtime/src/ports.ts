import { createServer } from 'node:net';

/** A TCP port that nothing listens on at `host` just now: to name in a PORT_IN_USE message. */
export async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: 0, exclusive: true }, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new TypeError(`no TCP address at ${host}`);
  return address.port;
}
