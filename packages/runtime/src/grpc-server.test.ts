import {
  type ClientReadableStream,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  type ServerWritableStream,
  type ServiceDefinition,
  type StatusObject,
} from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import type { Access } from './access/access.js';
import { NO_LIMITS, type Principal } from './access/principal.js';
import { GrpcServer, principalOf } from './grpc-server.js';

const text = {
  requestStream: false,
  requestSerialize: (value: string) => Buffer.from(value),
  requestDeserialize: (bytes: Buffer) => String(bytes),
  responseSerialize: (value: string) => Buffer.from(value),
  responseDeserialize: (bytes: Buffer) => String(bytes),
};
const definition = {
  watch: { ...text, path: '/test.Test/Watch', responseStream: true, originalName: 'watch' },
  stop: { ...text, path: '/test.Test/Stop', responseStream: true, originalName: 'stop' },
} satisfies ServiceDefinition;

/** Tokens are principals' names. */
class Names implements Access {
  readonly secured = true;
  readonly #known = new Map<string, Principal>();
  readonly listeners = new Set<(principal: Principal) => void>();

  add(name: string, role: Principal['role']): void {
    this.#known.set(name, { name, role, owner: 'o' });
  }

  revoke(name: string): void {
    const principal = this.#known.get(name) as Principal;
    this.#known.delete(name);
    for (const listener of [...this.listeners]) listener(principal);
  }

  authenticate(given: string | undefined): Principal | null {
    return this.#known.get(given?.replace('Bearer ', '') ?? '') ?? null;
  }

  limitsOf = () => NO_LIMITS;

  onRevoked(listener: (principal: Principal) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  close() {}
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve() {
  const access = new Names();
  const calls: ServerWritableStream<string, string>[] = [];
  const watch = (call: ServerWritableStream<string, string>) => {
    calls.push(call);
    call.write(`hello ${principalOf(call).name}`);
  };
  const server = await GrpcServer.listen({
    host: '127.0.0.1',
    port: 0,
    portFlag: '--port',
    channel: {},
    certificates: null,
    access,
    toStatus: ({ code, message }) => ({ code: 7, details: `${code}: ${message}`, metadata: new Metadata() }),
    services: {
      'test.Test': {
        definition,
        implementation: { watch, stop: watch },
        roles: { watch: ['trainer', 'operator'], stop: ['operator'] },
      },
    },
    reflection: async () => ({}),
  });
  closers.push(() => server.stop(0));
  const Client = makeGenericClientConstructor(definition, 'Test');
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  closers.push(() => client.close());
  const call = (method: 'watch' | 'stop', token?: string) => {
    const metadata = new Metadata();
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    const stream = (client[method] as (q: string, m: Metadata) => ClientReadableStream<string>)(
      'question',
      metadata,
    );
    const heard: string[] = [];
    stream.on('data', (message: string) => heard.push(message));
    const ended = new Promise<string>((resolve) =>
      stream.on('error', (error) => resolve((error as unknown as StatusObject).details)),
    );
    return { stream, heard, ended };
  };
  return { access, calls, call };
}

describe('a gRPC server', () => {
  it('tells handlers who calls, and refuses whom it does not know', async () => {
    const { access, calls, call } = await serve();
    access.add('ann', 'trainer');
    const { stream, heard } = call('watch', 'ann');
    await expect.poll(() => heard).toEqual(['hello ann']);
    stream.cancel();
    expect(await call('watch').ended).toMatch(/^UNAUTHENTICATED: .*carries no token/);
    expect(await call('watch', 'bob').ended).toMatch(/^UNAUTHENTICATED: .*not known here/);
    expect(calls).toHaveLength(1);
  });

  it('lets only some roles make a call', async () => {
    const { access, calls, call } = await serve();
    access.add('ann', 'trainer');
    access.add('worker', 'service');
    expect(await call('stop', 'ann').ended).toMatch(
      /^FORBIDDEN: the token ann may not call test.Test\/Stop: .* operator, and its is trainer/,
    );
    expect(await call('watch', 'worker').ended).toMatch(/^FORBIDDEN: .*trainer or operator/);
    expect(calls).toHaveLength(0);
  });

  it('ends the live streams of a token that is revoked, and no others', async () => {
    const { access, calls, call } = await serve();
    access.add('ann', 'trainer');
    access.add('bob', 'trainer');
    const [anns, bobs] = [call('watch', 'ann'), call('watch', 'bob')];
    await expect.poll(() => anns.heard.length + bobs.heard.length).toBe(2);
    access.revoke('ann');
    // What its handler goes on to say is said to nobody, and is no trouble.
    for (const each of calls) each.write('more');
    expect(await anns.ended).toMatch(/^UNAUTHENTICATED: .*its token was revoked/);
    await expect.poll(() => bobs.heard).toEqual(['hello bob', 'more']);
    expect(anns.heard).toEqual(['hello ann']);
    expect(calls.filter(({ cancelled }) => cancelled)).toHaveLength(1);
    expect(await call('watch', 'ann').ended).toMatch(/^UNAUTHENTICATED/);
  });

  it('forgets a call that has ended', async () => {
    const { access, calls, call } = await serve();
    access.add('ann', 'trainer');
    const [first, second] = [call('watch', 'ann'), call('watch', 'ann')];
    await expect.poll(() => access.listeners.size).toBe(2);
    await expect.poll(() => calls.length).toBe(2);
    calls[0]?.end();
    second.stream.cancel();
    first.stream.cancel();
    await expect.poll(() => access.listeners.size).toBe(0);
  });
});
