// @ts-check
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** @typedef {{ host: string, port: number }} Address */
/** @typedef {{ near: import('node:net').Socket, far: import('node:net').Socket, doomed: boolean }} Connection */

/** A TCP proxy that can cut what passes through it, or hold it up. */
export class TcpProxy {
  /** Connections cut so far, each while bytes were passing. */
  cuts = 0;
  /** @type {Set<Connection>} */
  #connections = new Set();
  #silent = false;

  /**
   * @param {import('node:net').Server} server
   * @param {Address} address where it listens
   * @param {Address} upstream where connections go on to
   */
  constructor(server, address, upstream) {
    this.server = server;
    this.address = address;
    this.upstream = upstream;
    server.on('connection', (near) => this.#accept(near));
  }

  /**
   * @param {Address} address port 0: any free one
   * @param {Address} upstream
   */
  static async listen({ host, port }, upstream) {
    const server = createServer();
    server.listen(port, host);
    await once(server, 'listening');
    const bound = /** @type {import('node:net').AddressInfo} */ (server.address());
    return new TcpProxy(server, { host, port: bound.port }, upstream);
  }

  /**
   * Dooms the connections that there are: of the next bytes that pass, half go on, and then both ends are closed. Frames
   * and commands are longer than a byte, so that is in the middle of one.
   */
  cut() {
    for (const connection of this.#connections) connection.doomed = true;
  }

  /**
   * Lets nothing pass for a while, and closes nothing.
   *
   * @param {number} ms
   */
  async silence(ms) {
    this.#silent = true;
    this.#hold();
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#silent = false;
    for (const { near, far } of this.#connections) {
      near.resume();
      far.resume();
    }
  }

  async close() {
    for (const { near, far } of this.#connections) {
      near.destroy();
      far.destroy();
    }
    this.server.close();
    await once(this.server, 'close');
  }

  #hold() {
    for (const { near, far } of this.#connections) {
      near.pause();
      far.pause();
    }
  }

  /** @param {import('node:net').Socket} near */
  #accept(near) {
    const far = connect(this.upstream);
    const connection = { near, far, doomed: false };
    this.#connections.add(connection);
    near.setNoDelay(true);
    far.setNoDelay(true);
    this.#pass(connection, near, far);
    this.#pass(connection, far, near);
    if (this.#silent) this.#hold();
  }

  /**
   * @param {Connection} connection
   * @param {import('node:net').Socket} from
   * @param {import('node:net').Socket} to
   */
  #pass(connection, from, to) {
    from.on('data', (data) => {
      if (connection.doomed && data.length > 1) {
        this.cuts++;
        this.#connections.delete(connection);
        from.destroy();
        to.write(data.subarray(0, data.length >> 1), () => to.destroy());
      } else if (!to.write(data)) from.pause();
    });
    to.on('drain', () => {
      if (!this.#silent) from.resume();
    });
    const end = () => {
      this.#connections.delete(connection);
      to.destroy();
    };
    from.on('error', end);
    from.on('close', end);
  }
}
