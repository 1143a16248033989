import { failure } from '@cropstream/errors';
import {
  type ChannelOptions,
  logVerbosity,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { type Clock, systemClock } from './clock.js';
import { freePort } from './ports.js';

export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The flag or variable that sets the port, for the error that names a free one. */
  readonly portFlag: string;
  readonly channel: ChannelOptions;
  /** Services by their full names, `cropstream.v1.Coordinator`. */
  readonly services: Readonly<
    Record<
      string,
      { readonly definition: ServiceDefinition; readonly implementation: UntypedServiceImplementation }
    >
  >;
  /** Further names that health checks may ask for: an instance's own, so that it is told from others. @default none */
  readonly healthNames?: readonly string[];
  /** What reflection serves, so that grpcurl works without the .proto files. */
  readonly reflection: ConstructorParameters<typeof ReflectionService>[0];
  /** @default the system's */
  readonly clock?: Clock;
}

/** A gRPC server with health checking and reflection, and an orderly end. */
export class GrpcServer {
  readonly #server: Server;
  readonly #health: HealthImplementation;
  readonly #names: readonly string[];

  private constructor(
    server: Server,
    health: HealthImplementation,
    names: readonly string[],
    /** The port it listens on. */
    readonly port: number,
    private readonly clock: Clock,
  ) {
    this.#server = server;
    this.#health = health;
    this.#names = names;
  }

  /** @throws PORT_IN_USE, naming a free port */
  static async listen(options: GrpcServerOptions): Promise<GrpcServer> {
    // What goes wrong is thrown here, with what to do; grpc-js would print its own line before.
    setLogVerbosity(logVerbosity.NONE);
    const server = new Server(options.channel);
    const names = ['', ...Object.keys(options.services), ...(options.healthNames ?? [])];
    const health = new HealthImplementation(
      Object.fromEntries(names.map((name) => [name, 'SERVING' as const])),
    );
    health.addToServer(server);
    new ReflectionService(options.reflection).addToServer(server);
    for (const { definition, implementation } of Object.values(options.services)) {
      server.addService(definition, implementation);
    }
    const address = `${options.host.includes(':') ? `[${options.host}]` : options.host}:${options.port}`;
    try {
      const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
          error ? reject(error) : resolve(bound),
        );
      });
      return new GrpcServer(server, health, names, port, options.clock ?? systemClock);
    } catch (cause) {
      server.forceShutdown();
      if (!String(cause).includes('EADDRINUSE')) throw cause;
      const free = await freePort(options.host);
      throw failure('PORT_IN_USE', { port: options.port, free, flag: options.portFlag }, { cause });
    }
  }

  /** Health answers NOT_SERVING from now on; calls under way go on. */
  notServing(): void {
    for (const name of this.#names) this.#health.setStatus(name, 'NOT_SERVING');
  }

  /** Takes no more calls, waits `graceMs` for those under way, then ends them. */
  async stop(graceMs: number): Promise<void> {
    this.notServing();
    await new Promise<void>((resolve) => {
      const force = this.clock.timer(graceMs, () => {
        this.#server.forceShutdown();
        resolve();
      });
      this.#server.tryShutdown(() => {
        force.cancel();
        resolve();
      });
    });
  }
}
