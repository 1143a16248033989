import type { Socket } from 'node:net';
import { type CropstreamError, failure } from '@cropstream/errors';
import {
  type ChannelOptions,
  logVerbosity,
  type Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  ServerListenerBuilder,
  type ServiceDefinition,
  type StatusObject,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Access } from './access/access.js';
import type { Principal, Role } from './access/principal.js';
import type { ServerCertificates } from './certificates.js';
import { type Clock, systemClock, type Timer } from './clock.js';
import { DEFAULT_GRPC_LIMITS, type GrpcLimits } from './grpc-limits.js';
import { GrpcListener } from './grpc-listener.js';
import { lazyReflection, type ReflectedPackage } from './lazy-reflection.js';
import { freePort } from './ports.js';

export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The flag or variable that sets the port, for the error that names a free one. */
  readonly portFlag: string;
  readonly channel: ChannelOptions;
  /** Null: without TLS. */
  readonly certificates: ServerCertificates | null;
  /** Holds for every call, of health and reflection too. */
  readonly access: Access;
  /** How an error ends a call. */
  readonly toStatus: (error: CropstreamError) => StatusObject;
  /** Services by their full names, `cropstream.v1.Coordinator`. */
  readonly services: Readonly<Record<string, GrpcService>>;
  /** Further names that health checks may ask for: an instance's own, so that it is told from others. @default none */
  readonly healthNames?: readonly string[];
  /** What reflection serves, so that grpcurl works without the .proto files. Asked for with the first call of it. */
  readonly reflection: () => Promise<ReflectedPackage>;
  /** @default DEFAULT_GRPC_LIMITS */
  readonly limits?: Partial<GrpcLimits>;
  /** @default the system's */
  readonly clock?: Clock;
}

export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
  /** Who may call each of its methods. */
  readonly roles: Readonly<Record<string, readonly Role[]>>;
}

/** Whose token a call carries, for the handlers of a GrpcServer. */
export function principalOf({ metadata }: { readonly metadata: Metadata }): Principal {
  const principal = PRINCIPALS.get(metadata);
  if (principal === undefined) throw new Error('a call that no GrpcServer has let in');
  return principal;
}

/** By the metadata of calls, which handlers get as the interceptor has seen it. */
const PRINCIPALS = new WeakMap<Metadata, Principal>();

/** A gRPC server with health checking and reflection, and an orderly end. */
export class GrpcServer {
  readonly #server: Server;
  readonly #health: HealthImplementation;
  readonly #names: readonly string[];
  readonly #listener: GrpcListener;

  private constructor(
    server: Server,
    health: HealthImplementation,
    names: readonly string[],
    listener: GrpcListener,
    private readonly clock: Clock,
  ) {
    this.#server = server;
    this.#health = health;
    this.#names = names;
    this.#listener = listener;
  }

  /** The port it listens on. */
  get port(): number {
    return this.#listener.port;
  }

  /** Connections that are open now, and those that were cut so far because they were over a limit. */
  get connections(): { readonly open: number; readonly cut: number } {
    return { open: this.#listener.connections, cut: this.#listener.cut };
  }

  /** @throws PORT_IN_USE, naming a free port */
  static async listen(options: GrpcServerOptions): Promise<GrpcServer> {
    // What goes wrong is thrown here, with what to do; grpc-js would print its own line before.
    setLogVerbosity(logVerbosity.NONE);
    const { host, port, certificates, clock = systemClock } = options;
    const limits = { ...DEFAULT_GRPC_LIMITS, ...options.limits };
    let listener: GrpcListener | null = null;
    const admit = (call: ServerInterceptingCallInterface) => listener?.admit(call.getConnectionInfo());
    const server = new TellingServer({
      ...options.channel,
      'grpc.max_receive_message_length': limits.maxMessageBytes,
      'grpc.max_concurrent_streams': limits.maxConnectionCalls,
      'grpc.max_connection_idle_ms': limits.idleMs,
      // Counts for each connection and call that nobody asks for.
      'grpc.enable_channelz': 0,
      interceptors: [admission(options, admit), requests(limits.requestMs, clock, options.toStatus)],
    });
    const names = ['', ...Object.keys(options.services), ...(options.healthNames ?? [])];
    const health = new HealthImplementation(
      Object.fromEntries(names.map((name) => [name, 'SERVING' as const])),
    );
    health.addToServer(server);
    const { toStatus } = options;
    for (const service of lazyReflection({ load: options.reflection, toStatus }))
      server.addService(...service);
    for (const { definition, implementation } of Object.values(options.services)) {
      server.addService(definition, implementation);
    }
    // Its connections have had their TLS when it gets them.
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    const accept = (socket: Socket) => injector.injectConnection(socket);
    try {
      listener = await GrpcListener.listen({ host, port, certificates, limits, clock, accept });
      return new GrpcServer(server, health, names, listener, clock);
    } catch (cause) {
      server.forceShutdown();
      if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
      const free = await freePort(host);
      throw failure('PORT_IN_USE', { port, free, flag: options.portFlag }, { cause });
    }
  }

  /** Health answers NOT_SERVING from now on; calls under way go on. */
  notServing(): void {
    for (const name of this.#names) this.#health.setStatus(name, 'NOT_SERVING');
  }

  /** Takes no more calls, waits `graceMs` for those under way, then ends them. */
  async stop(graceMs: number): Promise<void> {
    this.notServing();
    this.#listener.close();
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
    this.#listener.destroy();
  }
}

/** What came in place of a message that could not be read. */
class Unreadable {}

/** grpc-js would end a call whose message it cannot read with INTERNAL, as if that were a defect of the service. */
class TellingServer extends Server {
  override addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    const methods = Object.entries(definition).map(([name, method]) => {
      const requestDeserialize = (bytes: Buffer) => {
        try {
          return method.requestDeserialize(bytes);
        } catch {
          return new Unreadable();
        }
      };
      return [name, { ...method, requestDeserialize }];
    });
    super.addService(Object.fromEntries(methods), implementation);
  }
}

/**
 * Ends a call whose request has not come after `ms`: all of it, or the first message of a stream; and one with a message
 * that cannot be read.
 */
function requests(ms: number, clock: Clock, toStatus: GrpcServerOptions['toStatus']): ServerInterceptor {
  return ({ path, requestStream }, call) => {
    let late: Timer | null = null;
    const came = () => late?.cancel();
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next(
          new ServerListenerBuilder()
            .withOnReceiveMetadata((metadata, pass) => {
              late = clock.timer(ms, () =>
                call.sendStatus(toStatus(failure('REQUEST_TIMEOUT', { seconds: ms / 1000 }))),
              );
              pass(metadata);
            })
            .withOnReceiveMessage((message, pass) => {
              if (requestStream) came();
              if (!(message instanceof Unreadable)) return pass(message);
              came();
              const reason = `its message is not one of ${path.slice(1)}`;
              call.sendStatus(toStatus(failure('REQUEST_INVALID', { reason })));
            })
            .withOnReceiveHalfClose((pass) => {
              came();
              pass();
            })
            .withOnCancel(came)
            .build(),
        ),
      sendStatus: (status, next) => {
        came();
        next(status);
      },
    });
  };
}

/** Lets in only calls of tokens that are known and of a role that may make them, and ends those whose token is revoked. */
function admission(
  { access, services, toStatus }: GrpcServerOptions,
  admit: (call: ServerInterceptingCallInterface) => void,
): ServerInterceptor {
  const roles = rolesByPath(services);
  return ({ path }, call) => {
    let forget = () => {};
    let isOver = false;
    const refuse = (error: CropstreamError) => {
      isOver = true;
      forget();
      call.sendStatus(toStatus(error));
    };
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next(
          new ServerListenerBuilder()
            .withOnReceiveMetadata((metadata, pass) => {
              const [given] = metadata.get('authorization');
              const principal = access.authenticate(given?.toString());
              if (principal === null) {
                const reason = given === undefined ? 'it carries no token' : 'its token is not known here';
                return refuse(failure('UNAUTHENTICATED', { reason }));
              }
              const allowed = roles.get(path);
              if (allowed && !allowed.includes(principal.role)) {
                return refuse(forbidden(principal, path, allowed));
              }
              admit(call);
              PRINCIPALS.set(metadata, principal);
              forget = access.onRevoked((revoked) => {
                if (revoked === principal) {
                  refuse(failure('UNAUTHENTICATED', { reason: 'its token was revoked' }));
                }
              });
              pass(metadata);
            })
            .withOnCancel(() => forget())
            .build(),
        ),
      // Nothing may follow the status of a call whose token was revoked, or that status is lost.
      sendMessage: (message, next) => {
        if (!isOver) next(message);
      },
      sendStatus: (status, next) => {
        forget();
        if (!isOver) next(status);
      },
    });
  };
}

function rolesByPath(services: GrpcServerOptions['services']): ReadonlyMap<string, readonly Role[]> {
  return new Map(
    Object.values(services).flatMap(({ definition, roles }) =>
      Object.entries(definition).map(([method, { path }]) => {
        const allowed = roles[method];
        if (allowed === undefined) throw new Error(`nobody may call ${path}: its service says no roles`);
        return [path, allowed] as const;
      }),
    ),
  );
}

function forbidden({ name, role }: Principal, path: string, allowed: readonly Role[]): CropstreamError {
  const needed = allowed.join(' or ');
  return failure('FORBIDDEN', {
    token: name,
    what: `call ${path.slice(1)}`,
    reason: `that is for the role ${needed}, and its is ${role}`,
  });
}
