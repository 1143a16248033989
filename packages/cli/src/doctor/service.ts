import {
  CLIENT_OPTIONS,
  CoordinatorClient,
  type ListRunsResponse,
  PROTOCOL_VERSION,
} from '@cropstream/protocol';
import { credentials, Metadata, makeGenericClientConstructor, type ServiceError } from '@grpc/grpc-js';
import { plural } from '../output.js';
import { type Check, fail, ok, warn } from './check.js';

const DEADLINE_MS = 5_000;

/** grpc.health.v1.HealthCheckResponse.ServingStatus, by number. */
const SERVING_STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

type HealthClient = {
  check(
    request: Buffer,
    metadata: Metadata,
    options: { deadline: number },
    done: (error: ServiceError | null, status?: string) => void,
  ): unknown;
  close(): void;
};

// The two messages of grpc.health.v1: a request without a service is empty, a response is one enum, field 1.
const healthService = {
  check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: (request: Buffer) => request,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (status: Buffer) => status,
    responseDeserialize: (bytes: Buffer) =>
      SERVING_STATUS[bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0] ?? 'UNKNOWN',
  },
} as const;

const HealthClient = makeGenericClientConstructor(healthService, 'grpc.health.v1.Health') as unknown as new (
  target: string,
  channel: ReturnType<typeof credentials.createInsecure>,
) => HealthClient;

function answer<T>(call: (done: (error: ServiceError | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => (error !== null || value === undefined ? reject(error) : resolve(value)));
  });
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Asks a service for its health, and for its runs. */
export async function checkTarget(target: string): Promise<Check[]> {
  const health = new HealthClient(target, credentials.createInsecure());
  try {
    const deadline = Date.now() + DEADLINE_MS;
    const status = await answer<string>((done) =>
      health.check(Buffer.alloc(0), new Metadata(), { deadline }, done),
    );
    if (status !== 'SERVING') {
      return [fail('service', `${target} answers ${status}`, 'It is starting or draining; see its log.')];
    }
  } catch (error) {
    const fix =
      'Is it running? Is the address right, and does a firewall let it through? A service binds to 127.0.0.1 unless told otherwise.';
    return [fail('service', `${target} does not answer: ${reasonOf(error)}`, fix)];
  } finally {
    health.close();
  }
  return [ok('service', `${target} is serving`), await checkRuns(target)];
}

async function checkRuns(target: string): Promise<Check> {
  const coordinator = new CoordinatorClient(target, credentials.createInsecure(), CLIENT_OPTIONS);
  try {
    const deadline = Date.now() + DEADLINE_MS;
    const { runs } = await answer<ListRunsResponse>((done) =>
      coordinator.listRuns({ protocolVersion: PROTOCOL_VERSION }, new Metadata(), { deadline }, done),
    );
    if (runs.length === 0) return warn('runs', 'none is open', 'Trainers can open one by its spec.');
    const named = runs.map(
      ({ name, samples, stepsPerEpoch }) =>
        `${name} (${plural(Number(samples), 'sample')}, ${plural(Number(stepsPerEpoch), 'step')} an epoch)`,
    );
    return ok('runs', named.join(', '));
  } catch (error) {
    return fail(
      'runs',
      `${target} does not list its runs: ${reasonOf(error)}`,
      'Is it a cropstream coordinator of this version?',
    );
  } finally {
    coordinator.close();
  }
}
