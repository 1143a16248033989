import type { Server } from 'node:net';

/**
 * Bounds a server's connections: `most` at once, and half of them of any single address, so that one machine that opens
 * all it may leaves room for others. One more is closed at once.
 */
export function boundConnections(server: Server, most: number): void {
  server.maxConnections = most;
  const held = new Map<string, number>();
  server.prependListener('connection', (socket) => {
    const { remoteAddress } = socket;
    // Gone again already.
    if (remoteAddress === undefined) return;
    const count = (held.get(remoteAddress) ?? 0) + 1;
    if (count > most / 2) return socket.destroy();
    held.set(remoteAddress, count);
    socket.once('close', () => {
      const left = (held.get(remoteAddress) ?? 1) - 1;
      if (left > 0) held.set(remoteAddress, left);
      else held.delete(remoteAddress);
    });
  });
}
