import {
  CLIENT_OPTIONS,
  CoordinatorClient,
  fromStatus,
  type ListRunsResponse,
  PROTOCOL_VERSION,
} from '@cropstream/protocol';
import { clientSecurity } from '@cropstream/runtime';
import { GrpcAccess } from '@cropstream/runtime/grpc-access';
import { checkHealth } from '@cropstream/runtime/grpc-health';
import type { ServiceError } from '@grpc/grpc-js';
import { plural } from '../output.js';
import { type Check, fail, ok, warn } from './check.js';

const DEADLINE_MS = 5_000;

function answer<T>(call: (done: (error: ServiceError | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => (error !== null || value === undefined ? reject(error) : resolve(value)));
  });
}

/** Asks a service for its health, and for its runs. */
export async function checkTarget(target: string): Promise<Check[]> {
  const security = clientSecurity({}, process.env);
  const access = new GrpcAccess(security);
  const tlsName = security.tls?.serverName ?? '';
  const question = { address: target, service: '', access, tlsName, timeoutMs: DEADLINE_MS };
  try {
    const status = await checkHealth(question);
    if (status !== 'SERVING') {
      return [fail('service', `${target} answers ${status}`, 'It is starting or draining; see its log.')];
    }
  } catch (error) {
    const { problem, help } = fromStatus(error, target);
    return [fail('service', problem, `${help} A service binds to 127.0.0.1 unless told otherwise.`)];
  }
  return [ok('service', `${target} is serving`), await checkRuns(target, access)];
}

async function checkRuns(target: string, access: GrpcAccess): Promise<Check> {
  const coordinator = new CoordinatorClient(target, access.credentials, {
    ...CLIENT_OPTIONS,
    ...access.coordinatorOptions,
  });
  try {
    const deadline = Date.now() + DEADLINE_MS;
    const { runs } = await answer<ListRunsResponse>((done) =>
      coordinator.listRuns({ protocolVersion: PROTOCOL_VERSION }, access.metadata(), { deadline }, done),
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
      `${target} does not list its runs: ${fromStatus(error, target).problem}`,
      'Is it a cropstream coordinator of this version?',
    );
  } finally {
    coordinator.close();
  }
}
