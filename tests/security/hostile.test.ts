import { connect } from 'node:net';
import { ERROR_TABLE } from '@cropstream/errors';
import {
  type AttachResponse,
  type ChunkReady,
  CoordinatorClient,
  type RunInfo,
  WorkerClient,
} from '@cropstream/protocol';
import { credentials, Metadata, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Service, until } from '../processes.mjs';
import { randomOf } from '../random.mjs';
import { SecuredFleet, tokenOf, type Who } from './fleet.js';
import {
  ATTACH,
  framed,
  GrpcAttacker,
  hostileCall,
  hostileFrames,
  methodsOf,
  type Outcome,
  openRunMessage,
  throwBytes,
} from './grpc-fuzz.js';
import { hostileRequest, type Route, routesOf, sendRequest } from './http-fuzz.js';

/** Hostile requests over HTTP, and as many over gRPC; `npm run test:security` makes more. */
const REQUESTS = Number(process.env.CROPSTREAM_FUZZ_REQUESTS ?? 500);
const SEED = Number(process.env.CROPSTREAM_FUZZ_SEED ?? 1);
/** At once. */
const LANES = 8;
/** What a service's resident memory may rise by over the second half of all requests, in MiB. */
const FLAT_MEBIBYTES = 32;
/** Callers of every kind, and none. */
const CALLERS: readonly (Who | null)[] = [null, 'trainer', 'operator', 'stranger', 'platform', 'scraper'];

/** Of a slow client the patience is short here; its defaults are in docs/operations.md. */
const PATIENCE = {
  CROPSTREAM_HTTP_HEADERS: '1s',
  CROPSTREAM_HTTP_REQUEST: '2s',
  CROPSTREAM_GRPC_ADMIT: '2s',
  CROPSTREAM_GRPC_REQUEST: '2s',
};

let fleet: SecuredFleet;
let expected: string;
let routes: readonly Route[];

beforeAll(async () => {
  fleet = await SecuredFleet.start(PATIENCE);
  expected = await fleet.draw();
  const headers = { authorization: `Bearer ${tokenOf('operator')}` };
  const answer = await fetch(`${fleet.http}/api/v1/openapi.json`, { headers });
  routes = [
    ...routesOf(await answer.json()),
    ...['/metrics', '/healthz', '/readyz', '/'].map((path) => ({
      method: 'GET',
      path,
      query: [],
      body: false,
    })),
  ];
  expect(routes.length).toBeGreaterThan(10);
}, 120_000);

afterAll(() => fleet?.stop());

/** What a trainer and an operator's tools see of the services. */
async function isHealthy(): Promise<void> {
  for (const { ready, log } of [fleet.coordinator, fleet.worker]) {
    expect((await fetch(`${ready.http}/healthz`)).status).toBe(200);
    expect((await fetch(`${ready.http}/readyz`)).status).toBe(200);
    // Whatever a request did that nobody had thought of is logged as this.
    expect(
      log()
        .match(/^.*"code":"INTERNAL".*$/gm)
        ?.slice(0, 3),
    ).toBeUndefined();
  }
  expect(await fleet.draw('trainer', { consumer: `check-${Math.random()}` })).toBe(expected);
}

/** Does `times` things, some at once. */
async function inLanes(times: number, each: (lane: number) => Promise<void>): Promise<void> {
  let left = times;
  const lane = async (index: number) => {
    while (left-- > 0) await each(index);
  };
  await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index)));
}

const counts = (outcomes: readonly string[]) =>
  Object.fromEntries(
    [...new Set(outcomes)].sort().map((one) => [one, outcomes.filter((other) => other === one).length]),
  );

test(`${REQUESTS} hostile requests over HTTP and ${REQUESTS} over gRPC are refused, each with its code, and leave nothing behind`, async () => {
  const services: readonly Service<unknown>[] = [fleet.coordinator, fleet.worker];
  const memory: number[][] = [];
  const http: string[] = [];
  const grpc: string[] = [];
  for (const half of [0, 1]) {
    await attackHttp(REQUESTS / 2, SEED + half, http);
    await attackGrpc(REQUESTS / 2, SEED + half, grpc);
    await isHealthy();
    memory.push(await Promise.all(services.map((service) => fleet.memory(service))));
  }
  const [first = [], second = []] = memory;
  const told = ['coordinator', 'worker'].map(
    (name, i) => `${name} ${first[i]?.toFixed(0)} then ${second[i]?.toFixed(0)} MiB`,
  );
  console.log(`memory after garbage collection, halfway and at the end: ${told.join(', ')}`);
  console.log(`HTTP ${JSON.stringify(counts(http))}`);
  console.log(`gRPC ${JSON.stringify(counts(grpc))}`);
  for (const [i, start] of first.entries())
    expect((second[i] as number) - start).toBeLessThan(FLAT_MEBIBYTES);
}, 900_000);

async function attackHttp(times: number, seed: number, outcomes: string[]): Promise<void> {
  const random = randomOf(seed);
  const spec = fleet.spec({ name: 'fuzz' });
  await inLanes(times, async () => {
    const caller = CALLERS[Math.floor(random() * CALLERS.length)] ?? null;
    const token = caller === null ? null : tokenOf(caller);
    const request = hostileRequest({ routes, token, spec, random });
    const { status, type, body } = await sendRequest(fleet.http, request, 15_000);
    outcomes.push(String(status));
    const shown = `${caller}: ${request.toString('latin1').slice(0, 400)}\n-> ${status} ${body.slice(0, 400)}`;
    if (status === null) return;
    expect(status === 503 || status < 500, shown).toBe(true);
    if (status < 400 || !body.startsWith('{')) return;
    expect(type, shown).toBe('application/problem+json');
    const { code } = JSON.parse(body) as { code: keyof typeof ERROR_TABLE };
    expect(ERROR_TABLE[code]?.http, shown).toBe(status);
    if (token === null) expect([400, 401, 404, 408, 413, 414, 415, 417, 431], shown).toContain(status);
  });
}

/** What a hostile call may end with: refused with a code that says why, or answered where it was valid all the same. */
const GRPC_OUTCOMES: ReadonlySet<Outcome> = new Set(
  // OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED,
  // FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED; not gRPC; not HTTP/2.
  [0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 'http-415', 'reset'].map(String),
);

async function attackGrpc(times: number, seed: number, outcomes: string[]): Promise<void> {
  const random = randomOf(seed);
  const methods = methodsOf(fleet.spec({ name: 'fuzz' }));
  const addresses = [fleet.coordinator.ready.target, fleet.worker.ready.workers[0] as string];
  const attackers = new Map<string, GrpcAttacker>();
  const attackerOf = (lane: number, address: string, caller: Who | null) => {
    const key = `${lane} ${address} ${caller}`;
    const known = attackers.get(key) ?? new GrpcAttacker(address, caller === null ? null : tokenOf(caller));
    attackers.set(key, known);
    return known;
  };
  await inLanes(times, async (lane) => {
    const address = addresses[Math.floor(random() * addresses.length)] as string;
    if (random() < 0.05) {
      outcomes.push('bytes');
      return throwBytes(address, hostileFrames(random), 100);
    }
    const caller = CALLERS[Math.floor(random() * CALLERS.length)] ?? null;
    const call = hostileCall(methods, random);
    const outcome = await attackerOf(lane, address, caller).call(call);
    outcomes.push(outcome);
    const shown = `${caller} at ${call.path} ${JSON.stringify(call.headers)}: ${call.body.toString('hex').slice(0, 400)} -> ${outcome}`;
    // Of a timeout or compression that it cannot read, grpc-js itself says INTERNAL.
    const isOfGrpc =
      outcome === '13' && /grpc-(timeout|encoding)/.test(Object.keys(call.headers ?? {}).join());
    expect(isOfGrpc || GRPC_OUTCOMES.has(outcome), shown).toBe(true);
    // A connection of which no call is let in is cut after a while, whatever it is at.
    if (caller === null && call.headers === undefined)
      expect(['16', '12', 'reset'], shown).toContain(outcome);
  });
  for (const attacker of attackers.values()) attacker.close();
}

test("a chunk is fetched by its owner's trainers alone, of its worker and by relay", async () => {
  const as = (who: Who) => {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${tokenOf(who)}`);
    return metadata;
  };
  const coordinator = new CoordinatorClient(fleet.coordinator.ready.target, credentials.createInsecure());
  const stream = coordinator.attach(as('trainer'));
  const told: Partial<{ run: RunInfo; ready: ChunkReady }> = {};
  stream.on('error', () => {});
  stream.on('data', ({ message }: AttachResponse) => {
    if (message?.$case === 'attached' && message.value.run) told.run = message.value.run;
    if (message?.$case === 'ready') told.ready ??= message.value;
  });
  stream.write({ message: { $case: 'attach', value: { ...ATTACH, consumer: 'held' } } });
  await until('a chunk is ready', () => told.ready !== undefined);
  const { run, ready } = told;
  const { workerId = '', address = '' } = ready?.location ?? {};
  const chunk = { runDigest: run?.digest ?? '', epoch: 0n, first: 0n, last: 0n, ...ready?.chunk };
  const fetched = (at: string, who: Who, owner = '') =>
    new Promise<number>((resolve) => {
      const worker = new WorkerClient(at, credentials.createInsecure());
      const call = worker.fetchChunk(
        { chunk, workerId, attempt: ready?.attempt ?? 0, offset: 0n, process: '', owner },
        as(who),
      );
      call.on('error', () => {});
      call.on('status', ({ code }) => {
        worker.close();
        resolve(code);
      });
      call.resume();
    });
  for (const at of [address, fleet.coordinator.ready.target]) {
    for (const who of ['stranger', 'rival', 'scraper'] as const) {
      // The last is a service, which says for whom it asks: others cannot.
      for (const owner of who === 'scraper' ? [''] : ['', 'lab']) {
        const code = await fetched(at, who, owner);
        expect([status.NOT_FOUND, status.PERMISSION_DENIED, status.INVALID_ARGUMENT], who).toContain(code);
      }
    }
    expect(await fetched(at, 'trainer')).toBe(status.OK);
  }
  stream.cancel();
  coordinator.close();
}, 60_000);

test('messages and bodies over the limit are refused as such', async () => {
  const long = 'a'.repeat(5 << 20);
  const authorization = `Bearer ${tokenOf('operator')}`;
  const body = JSON.stringify(fleet.spec({ name: long }));
  const answer = await fetch(`${fleet.http}/api/v1/runs`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body,
  }).then(
    async (response) => ((await response.json()) as { code: string }).code,
    // It need not wait for all of a body that it will not take.
    () => 'cut',
  );
  expect(['REQUEST_TOO_LARGE', 'cut']).toContain(answer);
  const attacker = new GrpcAttacker(fleet.coordinator.ready.target, tokenOf('trainer'));
  const path = '/cropstream.v1.Coordinator/OpenRun';
  expect(await attacker.call({ path, body: framed(Buffer.from(long)) })).toBe('8');
  // One that says it is longer than it is, and one that is once it is decompressed.
  expect(await attacker.call({ path, body: Buffer.from('00ffffffff00', 'hex') })).toBe('8');
  const { gzipSync } = await import('node:zlib');
  const bomb = framed(gzipSync(Buffer.alloc(64 << 20)), 1);
  expect(await attacker.call({ path, body: bomb, headers: { 'grpc-encoding': 'gzip' } })).toBe('8');
  attacker.close();
  await isHealthy();
}, 60_000);

test('specs that are nested very deeply are refused', async () => {
  const specJson = `{"name":"deep","views":${'['.repeat(500_000)}${']'.repeat(500_000)}}`;
  const attacker = new GrpcAttacker(fleet.coordinator.ready.target, tokenOf('trainer'));
  const body = framed(openRunMessage(specJson));
  expect(await attacker.call({ path: '/cropstream.v1.Coordinator/OpenRun', body })).toBe('3');
  attacker.close();
  const answer = await fetch(`${fleet.http}/api/v1/runs`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenOf('operator')}`, 'content-type': 'application/json' },
    body: specJson,
  });
  expect(answer.status).toBe(400);
  await isHealthy();
}, 60_000);

test('clients that send next to nothing hold no connection, on any port', async () => {
  const head = `POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${tokenOf('operator')}\r\ncontent-type: application/json\r\n`;
  const starts = {
    nothing: Buffer.alloc(0),
    'half of headers': Buffer.from(head),
    'half of a body': Buffer.from(`${head}content-length: 1000\r\n\r\n{`),
    'a preface': Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.from('000000040000000000', 'hex'),
    ]),
  };
  const ports = [fleet.coordinator, fleet.worker].map(({ ready }) => Number(new URL(ready.http).port));
  const addresses = [fleet.coordinator.ready.target, ...fleet.worker.ready.workers];
  for (const address of addresses) ports.push(Number(address.split(':')[1]));
  const held = ports.flatMap((port) =>
    Object.entries(starts).flatMap(([what, start]) =>
      Array.from({ length: 25 }, () => {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => {});
        socket.write(start);
        // A byte now and then, as such clients do.
        const drip = setInterval(() => socket.write(what === 'half of headers' ? 'x: y\r\n' : ' '), 300);
        return new Promise<void>((resolve) => socket.resume().once('close', resolve)).finally(() =>
          clearInterval(drip),
        );
      }),
    ),
  );
  await isHealthy();
  await Promise.all(held);
}, 60_000);

test('floods of pings, settings, resets and empty frames are ended, and others are served meanwhile', async () => {
  const address = fleet.coordinator.ready.target;
  const [host = '', port] = address.split(':');
  const frames = {
    pings: `000008060000000000${'00'.repeat(8)}`,
    settings: '000000040000000000',
    'window updates': '00000408000000000000000001',
    'empty data': '000000000000000001',
    priorities: '0000050200000000010000000010',
  };
  for (const [what, frame] of Object.entries(frames)) {
    const socket = connect(Number(port), host);
    socket.on('error', () => {});
    let closed = false;
    socket.once('close', () => {
      closed = true;
    });
    socket.resume();
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from('000000040000000000', 'hex'));
    const flood = Buffer.concat(Array.from({ length: 8192 }, () => Buffer.from(frame, 'hex')));
    const pump = () => {
      while (!closed && socket.write(flood));
    };
    socket.on('drain', pump);
    pump();
    await until(`the flood of ${what} is ended`, () => closed, 20_000);
  }
  await isHealthy();
}, 120_000);
