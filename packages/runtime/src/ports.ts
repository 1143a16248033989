import { createServer } from 'node:net';
import { failure } from '@cropstream/errors';

/** A TCP port that nothing listens on at `host` just now: to name in a PORT_IN_USE message. */
export async function freePort(host: string): Promise<number> {
  return tryPort(host, 0);
}

/**
 * Whether a server could listen there, asked before long work that a busy port would make vain. `flag` sets the port,
 * 0 being any free one.
 *
 * @throws PORT_IN_USE naming a free port, SPEC_INVALID for a host that is no address of this machine
 */
export async function requireFreePort(host: string, port: number, flag: string): Promise<void> {
  try {
    await tryPort(host, port);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw failure('PORT_IN_USE', { port, free: await freePort(host), flag }, { cause });
    }
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      const allowed = 'an address of this machine, such as 127.0.0.1 or 0.0.0.0';
      throw failure('SPEC_INVALID', { field: 'host', value: host, allowed }, { cause });
    }
    throw cause;
  }
}

async function tryPort(host: string, port: number): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new TypeError(`no TCP address at ${host}`);
  return address.port;
}
