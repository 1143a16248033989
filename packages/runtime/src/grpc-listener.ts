import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { ServerCertificates } from './certificates.js';
import type { Clock, Timer } from './clock.js';
import { boundConnections } from './connections.js';
import type { GrpcLimits } from './grpc-limits.js';

/** How often connections are looked through. */
const LOOK_MS = 1_000;
/** A connection that this side has ended is cut where the other has not ended it for so long. */
const LINGER_MS = 5_000;
/** Seconds' worth of what a client may send, at once. */
const BURST_SECONDS = 16;

export interface GrpcListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Null: without TLS. */
  readonly certificates: ServerCertificates | null;
  readonly limits: GrpcLimits;
  readonly clock: Clock;
  /** Gets each connection, after its handshake. */
  readonly accept: (socket: Socket) => void;
}

interface Connection {
  readonly socket: Socket;
  readonly since: number;
  admitted: boolean;
  /** Bytes that its client may send now. */
  allowance: number;
  received: number;
  /** When this side was first seen to have ended it. */
  endedAt: number | null;
}

/** What is told of a call's connection. */
export interface ConnectionInfo {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/**
 * The sockets of a gRPC server. grpc-js would listen by itself, with no bound for connections, handshakes, and what a client
 * sends beside its calls' messages; so connections are taken here, and handed to it.
 */
export class GrpcListener {
  readonly #options: GrpcListenerOptions;
  readonly #server: Server;
  readonly #connections = new Map<string, Connection>();
  #timer: Timer | null = null;
  #cut = 0;

  private constructor(options: GrpcListenerOptions, server: Server) {
    this.#options = options;
    this.#server = server;
  }

  /** @throws the system's error where it cannot listen */
  static async listen(options: GrpcListenerOptions): Promise<GrpcListener> {
    const { certificates, limits, host, port } = options;
    const server = certificates === null ? createServer() : tlsServer(certificates, limits);
    boundConnections(server, limits.maxConnections);
    const listener = new GrpcListener(options, server);
    server.on(certificates === null ? 'connection' : 'secureConnection', (socket: Socket) =>
      listener.#take(socket),
    );
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    listener.#schedule();
    return listener;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#options.port;
  }

  /** Connections after their handshake. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Connections that were cut because they were over a limit. */
  get cut(): number {
    return this.#cut;
  }

  /** A call over this connection was let in: whoever is behind it may stay. */
  admit(info: ConnectionInfo): void {
    const connection = this.#connections.get(keyOf(info));
    if (connection !== undefined) connection.admitted = true;
  }

  /** Takes no more connections; those that are there go on. */
  close(): void {
    this.#server.close();
  }

  /** Cuts what is left. */
  destroy(): void {
    this.#timer?.cancel();
    this.close();
    for (const { socket } of this.#connections.values()) socket.destroy();
  }

  #take(socket: Socket): void {
    // Boundary: `boundConnections` has closed it.
    if (socket.destroyed) return;
    const key = keyOf(socket);
    const { receivedBytes } = this.#options.limits;
    this.#connections.set(key, {
      ...{ socket, since: this.#options.clock.now(), admitted: false, endedAt: null },
      ...{ allowance: BURST_SECONDS * receivedBytes, received: 0 },
    });
    socket.once('close', () => this.#connections.delete(key));
    // What goes wrong with it ends it, and its session tells its calls.
    socket.on('error', () => {});
    this.#options.accept(socket);
  }

  #schedule(): void {
    this.#timer = this.#options.clock.timer(LOOK_MS, () => {
      const now = this.#options.clock.now();
      for (const connection of this.#connections.values()) {
        if (!this.#isOver(connection, now)) continue;
        this.#cut++;
        connection.socket.destroy();
      }
      this.#schedule();
    });
  }

  /** Whether a connection is over a limit now. */
  #isOver(connection: Connection, now: number): boolean {
    const { limits } = this.#options;
    const { socket } = connection;
    const earned = connection.allowance + (limits.receivedBytes * LOOK_MS) / 1000;
    const sent = socket.bytesRead - connection.received;
    connection.allowance = Math.min(BURST_SECONDS * limits.receivedBytes, earned) - sent;
    connection.received = socket.bytesRead;
    if (socket.writableEnded) connection.endedAt ??= now;
    if (connection.endedAt !== null && now - connection.endedAt > LINGER_MS) return true;
    return connection.allowance < 0 || (!connection.admitted && now - connection.since > limits.admitMs);
  }
}

function tlsServer(certificates: ServerCertificates, limits: GrpcLimits): Server {
  const server = createTlsServer({
    ...certificates.context,
    requestCert: certificates.current.clientCa !== null,
    rejectUnauthorized: true,
    ALPNProtocols: ['h2'],
    handshakeTimeout: limits.admitMs,
  });
  certificates.follow(server);
  return server;
}

const keyOf = ({ remoteAddress, remotePort }: ConnectionInfo) => `${remoteAddress} ${remotePort}`;
