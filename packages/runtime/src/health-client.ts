import { type Client, credentials, Metadata, makeGenericClientConstructor, status } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';

/** What a service says of itself; UNREGISTERED: whoever answers does not have that service. */
export type HealthStatus = 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'UNREGISTERED';

interface HealthClient extends Client {
  check(
    request: { readonly service: string },
    metadata: Metadata,
    options: { readonly deadline: number },
    done: (
      error: { readonly code: number; readonly details: string } | null,
      answer?: { status: HealthStatus },
    ) => void,
  ): void;
}

const HealthClient = makeGenericClientConstructor(service, 'grpc.health.v1.Health') as unknown as new (
  ...args: ConstructorParameters<typeof Client>
) => HealthClient;

/**
 * Asks `service` at `address` (host:port) for its health, over a connection of its own.
 * @throws Error saying why nothing answered within `timeoutMs`
 */
export async function checkHealth(
  address: string,
  service: string,
  timeoutMs: number,
): Promise<HealthStatus> {
  // A connection that others hold open would prove nothing of a new one.
  const client = new HealthClient(address, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  try {
    return await new Promise<HealthStatus>((resolve, reject) => {
      client.check({ service }, new Metadata(), { deadline: Date.now() + timeoutMs }, (error, answer) => {
        if (error?.code === status.NOT_FOUND) resolve('UNREGISTERED');
        else if (error) reject(new Error(error.details));
        else resolve(answer?.status ?? 'UNKNOWN');
      });
    });
  } finally {
    client.close();
  }
}
