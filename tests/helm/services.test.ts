import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { loadConfig } from '@cropstream/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { makeCertificates } from '../../scripts/certificates.mjs';
import { type RedisServer, startRedisServer } from '../../scripts/redis.mjs';
import { COORDINATOR_VARIABLES } from '../../services/coordinator/dist/config.js';
import { WORKER_VARIABLES } from '../../services/crop-worker/dist/config.js';
import { makeImages, run, temporaryFolder } from '../integration/harness.js';
import {
  type CoordinatorReady,
  metric,
  type Service,
  start,
  until,
  type WorkerReady,
} from '../processes.mjs';
import {
  type Container,
  find,
  type Manifest,
  NAMESPACE,
  type Probe,
  podOf,
  render,
  type Values,
  variables,
} from './chart.js';
import { MATRIX, TLS } from './matrix.js';
import { startPrometheus } from './prometheus.js';

const SCHEMAS = { coordinator: COORDINATOR_VARIABLES, worker: WORKER_VARIABLES } as const;
type Component = keyof typeof SCHEMAS;
const COMPONENTS = Object.keys(SCHEMAS) as Component[];

/** Read by Node and by libraries. */
const OF_OTHERS = /^(NODE_EXTRA_CA_CERTS|OTEL_\w+|AWS_\w+)$/;
const TOKEN = 'the-fleets-own';
const TRAINER = 'a-trainers';

const { path: folder } = temporaryFolder();
const images = join(folder, 'images');

/** What Kubernetes would mount and set, on this machine. */
function environmentOf(container: Container, redisUrl: string, mounts = folder): Record<string, string> {
  return Object.fromEntries(
    [...variables(container).values()].map(({ name, value, valueFrom }) => {
      if (name === 'REDIS_URL') return [name, redisUrl];
      if (name === 'CROPSTREAM_CACHE') return [name, join(folder, 'cache')];
      if (valueFrom && 'fieldRef' in valueFrom) return [name, '127.0.0.1'];
      // Any that are free: those of the manifest may be taken here.
      if (/_PORT$/.test(name)) return [name, '0'];
      return [name, value?.replace('/etc/cropstream', mounts) ?? 'from-a-secret'];
    }),
  );
}

const containerOf = (manifests: readonly Manifest[], component: string): Container =>
  podOf(
    component === 'test' ? find(manifests, 'Pod', '-test') : find(manifests, 'Deployment', `-${component}`),
  ).spec.containers[0];

describe('variables of every combination', () => {
  it('are known to the service that gets them, and take those values', async () => {
    for (const [name, values] of Object.entries(MATRIX)) {
      const manifests = await render(values);
      for (const component of COMPONENTS) {
        if ((values[component] as { enabled?: boolean } | undefined)?.enabled === false) continue;
        const container = containerOf(manifests, component);
        const given = environmentOf(container, 'redis://here:6379');
        const schema: z.ZodObject<Record<string, z.ZodType>> = SCHEMAS[component];
        const unknown = Object.keys(given).filter((each) => !(each in schema.shape) && !OF_OTHERS.test(each));
        expect(unknown, `${name}: ${component}`).toEqual([]);
        expect(() => loadConfig(schema, given), `${name}: ${component}`).not.toThrow();
        const ports = variables(container);
        for (const [port, variable] of [
          ['grpc', 'CROPSTREAM_PORT'],
          ['http', 'CROPSTREAM_HTTP_PORT'],
        ]) {
          const declared = container.ports.find((each) => each.name === port)?.containerPort;
          expect(ports.get(variable as string)?.value).toBe(String(declared));
        }
      }
    }
  }, 240_000);
});

interface Started {
  readonly manifests: readonly Manifest[];
  readonly coordinator: Service<CoordinatorReady>;
  readonly worker: Service<WorkerReady>;
}

let redis: RedisServer;
const started: Service<unknown>[] = [];

/** The release's services as its manifests start them. */
async function install(values: Values): Promise<Started> {
  const manifests = await render(values);
  const service = async <Ready>(component: Component): Promise<Service<Ready>> => {
    const container = containerOf(manifests, component);
    const args = container.args.map((arg) => arg.replace('/etc/cropstream', folder));
    const service: Service<Ready> = await start(args, {
      ...environmentOf(container, redis.url),
      CROPSTREAM_PREFIX: `helm-${started.length >> 1}`,
      CROPSTREAM_THREADS: '1',
    });
    started.push(service);
    return service;
  };
  return {
    manifests,
    coordinator: await service<CoordinatorReady>('coordinator'),
    worker: await service<WorkerReady>('worker'),
  };
}

/** What kubelet sees: it verifies no certificate and has none. */
function probe({ httpGet: { path, scheme } }: Probe, http: string): Promise<number> {
  const { port } = new URL(http);
  if (scheme === 'HTTP') return fetch(`http://127.0.0.1:${port}${path}`).then(({ status }) => status);
  return new Promise((resolve, reject) => {
    get(`https://127.0.0.1:${port}${path}`, { rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on('error', reject);
  });
}

async function probesAnswer({ manifests, coordinator, worker }: Started): Promise<void> {
  for (const [component, { ready }] of [
    ['coordinator', coordinator],
    ['worker', worker],
  ] as const) {
    const { startupProbe, livenessProbe, readinessProbe } = containerOf(manifests, component);
    expect(await probe(startupProbe, ready.http)).toBe(200);
    expect(await probe(livenessProbe, ready.http)).toBe(200);
    await until(`the ${component} is ready`, async () => (await probe(readinessProbe, ready.http)) === 200);
  }
}

/** `helm test`: its pod's command, towards the coordinator that runs here. */
async function helmTest(manifests: readonly Manifest[], { ready }: Service<CoordinatorReady>) {
  const container = containerOf(manifests, 'test');
  const target = `localhost:${ready.target.split(':').at(-1)}`;
  const args = container.args.map((arg) => (arg.endsWith(':7400') ? target : arg));
  return run(args, environmentOf(container, '', join(folder, 'test')));
}

async function end({ manifests, coordinator, worker }: Started): Promise<void> {
  for (const [component, service] of [
    ['coordinator', coordinator],
    ['worker', worker],
  ] as const) {
    const { terminationGracePeriodSeconds } = podOf(find(manifests, 'Deployment', `-${component}`)).spec;
    const kill = setTimeout(() => service.kill('SIGKILL'), terminationGracePeriodSeconds * 1_000);
    service.kill('SIGTERM');
    expect(await service.ended, component).toBe(0);
    clearTimeout(kill);
  }
}

beforeAll(async () => {
  redis = await startRedisServer();
  await makeImages(images, 12);
  makeCertificates(folder);
  const mount = (name: string, files: Readonly<Record<string, string>>) => {
    mkdirSync(join(folder, name), { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), text);
  };
  const pem = (name: string) => readFileSync(join(folder, name), 'utf8');
  const sha256 = createHash('sha256').update(TRAINER).digest('hex');
  const tokens = {
    owners: { team: {} },
    tokens: [{ name: 'tester', sha256, role: 'trainer', owner: 'team' }],
  };
  mount('token', { token: TOKEN });
  mount('test/token', { token: TRAINER });
  mount('tokens', { 'tokens.yaml': JSON.stringify(tokens) });
  for (const name of ['ca', 'client-ca', 'test/ca']) mount(name, { 'ca.crt': pem('ca.pem') });
  for (const name of ['tls', 'test/tls']) {
    mount(name, { 'tls.crt': pem('service.pem'), 'tls.key': pem('service.key') });
  }
  const spec = { name: 'first', dataset: { source: 'image-folder', url: images }, recipe: 'lesson-cifar10' };
  mount('spec', { 'spec.json': JSON.stringify({ ...spec, global_batch_size: 4 }) });
}, 60_000);

afterAll(async () => {
  for (const service of started) service.kill('SIGKILL');
  await Promise.all(started.map(({ ended }) => ended));
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('services that are started as the manifests say', () => {
  it('answer every probe, pass helm test, and end in order', async () => {
    const release = await install({ coordinator: { spec: { name: 'first' } } });
    await probesAnswer(release);
    const { code, stdout } = await helmTest(release.manifests, release.coordinator);
    expect(stdout).toContain('first (12 samples');
    expect(code).toBe(0);
    await end(release);
  }, 240_000);

  it('do so behind TLS, certificates of clients and tokens too', async () => {
    const security = { ...TLS, roots: [images] };
    const tests = { tokenSecret: { name: 'tester-token' } };
    const release = await install({
      security,
      tests,
      coordinator: { spec: { name: 'first' }, specOwner: 'team' },
    });
    await probesAnswer(release);
    const { code, stdout, stderr } = await helmTest(release.manifests, release.coordinator);
    expect(code, stdout + stderr).toBe(0);
    // Of the owner whose token the test has.
    expect(stdout).toContain('first (12 samples');
    await end(release);
  }, 240_000);

  it('say how many workers are wanted, under the name that the autoscalers ask for', async () => {
    const keda = { kind: 'keda', keda: { serverAddress: 'http://prometheus' } };
    const { coordinator, manifests } = await install({
      coordinator: { spec: { name: 'first' } },
      worker: { autoscaling: keda },
    });
    const { triggers } = find(manifests, 'ScaledObject').spec as {
      triggers: [{ metadata: { query: string } }];
    };
    const { query } = triggers[0].metadata;
    const [, name] = /^max\((\w+)\{/.exec(query) ?? [];
    // As the Prometheus operator labels what it finds behind a Service.
    const service = manifests.find(
      ({ kind, spec }) =>
        kind === 'Service' && (spec as { ports: { port: number }[] }).ports[1]?.port === 7401,
    );
    const labels = { namespace: NAMESPACE, service: service?.metadata.name ?? '' };
    const prometheus = await startPrometheus(folder, coordinator.ready.http, labels);
    try {
      const wanted = await prometheus.ask(query);
      expect(wanted).toBe(await metric(coordinator.ready.http, name as string));
    } finally {
      await prometheus.stop();
    }
    const hpa = find(await render({ worker: { autoscaling: { kind: 'hpa' } } }), 'HorizontalPodAutoscaler');
    expect(hpa.spec).toMatchObject({ metrics: [{ external: { metric: { name } } }] });
  }, 240_000);
});
