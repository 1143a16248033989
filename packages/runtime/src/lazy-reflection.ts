import { type CropstreamError, failure, toFailure } from '@cropstream/errors';
import type {
  handleBidiStreamingCall,
  ServerDuplexStream,
  ServiceDefinition,
  StatusObject,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { ReflectionService } from '@grpc/reflection';

/** What reflection serves. */
export type ReflectedPackage = ConstructorParameters<typeof ReflectionService>[0];

export interface LazyReflectionOptions {
  readonly load: () => Promise<ReflectedPackage>;
  /** How an error ends a call. */
  readonly toStatus: (error: CropstreamError) => Partial<StatusObject>;
}

/** A service as `addService` takes it. */
type Service = readonly [ServiceDefinition, UntypedServiceImplementation];

/** A method of the library's: its messages are read and written by its own definition. */
interface Method {
  readonly read: (bytes: Buffer) => unknown;
  readonly write: (message: unknown) => Buffer;
  readonly handle: handleBidiStreamingCall<unknown, unknown>;
}

const METHOD = 'ServerReflectionInfo';
const PATHS = ['v1', 'v1alpha'].map((version) => `/grpc.reflection.${version}.ServerReflection/${METHOD}`);

/**
 * gRPC's server reflection, loaded with the first call of it: with its descriptors it takes a fifth of a second of CPU time,
 * which every event loop with a gRPC server would spend at its start, for calls that hardly ever come.
 */
export function lazyReflection({ load, toStatus }: LazyReflectionOptions): readonly Service[] {
  let loading: Promise<ReadonlyMap<string, Method>> | undefined;
  return PATHS.map((path) => {
    const bytes = { requestSerialize: same, requestDeserialize: same, responseSerialize: same };
    const definition = {
      path,
      requestStream: true,
      responseStream: true,
      ...bytes,
      responseDeserialize: same,
    };
    const implementation = {
      async [METHOD](call: ServerDuplexStream<Buffer, Buffer>): Promise<void> {
        try {
          loading ??= methodsOf(load);
          const method = (await loading).get(path);
          if (!method) throw failure('INTERNAL', { reason: `@grpc/reflection has no ${path}` });
          handle(call, method, () => call.emit('error', toStatus(unreadable(path))));
        } catch (error) {
          call.emit('error', toStatus(toFailure(error)));
        }
      },
    };
    return [{ [METHOD]: definition }, implementation];
  });
}

const unreadable = (path: string) =>
  failure('REQUEST_INVALID', { reason: `its message is not one of ${path.slice(1)}` });

/** The library's methods, by path. */
async function methodsOf(load: () => Promise<ReflectedPackage>): Promise<ReadonlyMap<string, Method>> {
  const [{ ReflectionService: Library }, reflected] = await Promise.all([import('@grpc/reflection'), load()]);
  const methods = new Map<string, Method>();
  new Library(reflected).addToServer({
    addService(definition, implementation) {
      for (const [name, { path, requestDeserialize, responseSerialize }] of Object.entries(definition)) {
        const handler = implementation[name] as Method['handle'];
        methods.set(path, { read: requestDeserialize, write: responseSerialize, handle: handler });
      }
    },
  });
  return methods;
}

/** Has the library answer a call whose messages are bytes. */
function handle(
  call: ServerDuplexStream<Buffer, Buffer>,
  { read, write, handle: answer }: Method,
  refuse: () => void,
): void {
  const stream = {
    on(event: string, listener: (message: unknown) => void) {
      if (event !== 'data') return call.on(event, listener);
      return call.on('data', (bytes: Buffer) => {
        let message: unknown;
        try {
          message = read(bytes);
        } catch {
          return refuse();
        }
        listener(message);
      });
    },
    write: (message: unknown) => call.write(write(message)),
    end: () => call.end(),
  };
  // All that it uses of a call.
  answer(stream as unknown as ServerDuplexStream<unknown, unknown>);
}

const same = (bytes: Buffer): Buffer => bytes;
