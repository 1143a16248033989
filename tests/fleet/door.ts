import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** The one way from a trainer to a coordinator: a port or a Unix socket, as wide as it is told to be. */
export class Door {
  readonly #sockets = new Set<Socket>();

  private constructor(
    readonly target: string,
    private readonly server: Server,
  ) {}

  /**
   * @param coordinator its `host:port`
   * @param path of a Unix socket; null: any free port
   * @param bytesPerSecond that the trainer gets over one connection
   */
  static async open(
    coordinator: string,
    path: string | null = null,
    bytesPerSecond = Number.POSITIVE_INFINITY,
  ): Promise<Door> {
    const [host, port] = coordinator.split(':') as [string, string];
    const server = createServer();
    server.listen(path === null ? { host: '127.0.0.1', port: 0 } : { path });
    await once(server, 'listening');
    const target = path === null ? `127.0.0.1:${(server.address() as AddressInfo).port}` : `unix:${path}`;
    const door = new Door(target, server);
    server.on('connection', (near) => {
      const far = connect({ host, port: Number(port) });
      near.on('data', (data) => far.write(data));
      far.on('data', (data) => {
        near.write(data);
        far.pause();
        setTimeout(() => far.resume(), (1000 * data.length) / bytesPerSecond);
      });
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        door.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          door.#sockets.delete(one);
          other.destroy();
        });
      }
    });
    return door;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}
