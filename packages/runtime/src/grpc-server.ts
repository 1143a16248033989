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
import type { Access } from './access/access.js';
import type { Principal, Role } from './access/principal.js';
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
  readonly security: ServerSecurity;
  /** Holds for every call, of health and reflection too. */
  readonly access: Access;
  /** How an error ends a call. */
  readonly toStatus: (error: CropstreamError) => StatusObject;
  /** Services by their full names, `cropstream.v1.Coordinator`. */
  readonly services: Readonly<Record<string, GrpcService>>;
  /** Further names that health checks may ask for: an instance's own, so that it is told from others. @default none */
  readonly healthNames?: readonly string[];
  /** What reflection serves, so that grpcurl works without the .proto files. */
  readonly reflection: ConstructorParameters<typeof ReflectionService>[0];
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
    const server = new Server({ ...options.channel, interceptors: [admission(options)] });
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

/** Lets in only calls of tokens that are known and of a role that may make them, and ends those whose token is revoked. */
function admission({ access, services, toStatus }: GrpcServerOptions): ServerInterceptor {
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
