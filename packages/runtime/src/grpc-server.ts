import { createHash, timingSafeEqual } from 'node:crypto';
import { type CropstreamError, failure } from '@cropstream/errors';
import {
  type ChannelOptions,
  logVerbosity,
  type Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
  type ServiceDefinition,
  type StatusObject,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { type Clock, systemClock } from './clock.js';
import { freePort } from './ports.js';
import type { ServerSecurity } from './security.js';

export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The flag or variable that sets the port, for the error that names a free one. */
  readonly portFlag: string;
  readonly channel: ChannelOptions;
  /** Holds for every call, of health and reflection too. */
  readonly security: ServerSecurity;
  /** How an error ends a call. */
  readonly toStatus: (error: CropstreamError) => StatusObject;
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
    const { token } = options.security;
    const interceptors = token === null ? [] : [tokenCheck(token, options.toStatus)];
    const server = new Server({ ...options.channel, interceptors });
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
        server.bindAsync(address, credentialsOf(options.security), (error, bound) =>
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

function credentialsOf({ tls }: ServerSecurity): ServerCredentials {
  if (tls === null) return ServerCredentials.createInsecure();
  const clientCa = tls.clientCa === null ? null : Buffer.from(tls.clientCa);
  const pair = { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) };
  return ServerCredentials.createSsl(clientCa, [pair], clientCa !== null);
}

/** Lets no call in that does not carry the token. */
function tokenCheck(token: string, toStatus: GrpcServerOptions['toStatus']): ServerInterceptor {
  const expected = digestOf(`Bearer ${token}`);
  const problemOf = (metadata: Metadata): string | null => {
    const [given] = metadata.get('authorization');
    if (given === undefined) return 'it carries no token';
    return timingSafeEqual(digestOf(given), expected) ? null : 'its token is not that of the service';
  };
  return (_method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next(
          new ServerListenerBuilder()
            .withOnReceiveMetadata((metadata, pass) => {
              const reason = problemOf(metadata);
              if (reason === null) pass(metadata);
              else call.sendStatus(toStatus(failure('UNAUTHENTICATED', { reason })));
            })
            .build(),
        ),
    });
}

/** Of one length, so that the time to compare two says nothing of either. */
function digestOf(text: string | Buffer): Buffer {
  return createHash('sha256').update(text).digest();
}
