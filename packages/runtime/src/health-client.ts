import {
  type Client,
  type Metadata,
  makeGenericClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { service } from 'grpc-health-check';
import type { GrpcAccess } from './grpc-access.js';

/** What a service says of itself; UNREGISTERED: whoever answers does not have that service. */
export type HealthStatus = 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'UNREGISTERED';

interface HealthClient extends Client {
  check(
    request: { readonly service: string },
    metadata: Metadata,
    options: { readonly deadline: number },
    done: (error: ServiceError | null, answer?: { status: HealthStatus }) => void,
  ): void;
}

const HealthClient = makeGenericClientConstructor(service, 'grpc.health.v1.Health') as unknown as new (
  ...args: ConstructorParameters<typeof Client>
) => HealthClient;

export interface HealthQuestion {
  /** host:port. */
  readonly address: string;
  /** Empty: the process as a whole. */
  readonly service: string;
  readonly access: GrpcAccess;
  /** The name to verify its certificate by; empty: its address. */
  readonly tlsName: string;
  readonly timeoutMs: number;
}

/**
 * Asks a service for its health, over a connection of its own.
 * @throws ServiceError saying why nothing answered within `timeoutMs`
 */
export async function checkHealth(question: HealthQuestion): Promise<HealthStatus> {
  const { address, service, access, tlsName, timeoutMs } = question;
  // A connection that others hold open would prove nothing of a new one.
  const options = { ...access.options(tlsName), 'grpc.use_local_subchannel_pool': 1 };
  const client = new HealthClient(address, access.credentials, options);
  try {
    return await new Promise<HealthStatus>((resolve, reject) => {
      client.check({ service }, access.metadata(), { deadline: Date.now() + timeoutMs }, (error, answer) => {
        if (error?.code === status.NOT_FOUND) resolve('UNREGISTERED');
        else if (error) reject(error);
        else resolve(answer?.status ?? 'UNKNOWN');
      });
    });
  } finally {
    client.close();
  }
}
