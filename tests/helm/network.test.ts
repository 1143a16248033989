import { describe, expect, it } from 'vitest';
import { find, type Manifest, NAMESPACE, podOf, render, type Values } from './chart.js';
import { EXTERNAL } from './matrix.js';
import { Network, type Place } from './network.js';

const NAMESPACES = Object.fromEntries(
  [NAMESPACE, 'kube-system', 'monitoring', 'ingress', 'vision', 'other', 'redis', 'observability'].map(
    (name) => [name, { 'kubernetes.io/metadata.name': name }],
  ),
);

const pod = (namespace: string, labels: Readonly<Record<string, string>> = {}): Place => ({
  namespace,
  labels,
});

/** Who there is beside the release. */
const OUTSIDE = {
  dns: pod('kube-system', { 'k8s-app': 'kube-dns' }),
  'another pod of kube-system': pod('kube-system', { 'k8s-app': 'metrics' }),
  'a trainer': pod('vision', { role: 'trainer' }),
  'a notebook beside trainers': pod('vision', { role: 'notebook' }),
  'a stranger': pod('other', { role: 'trainer' }),
  'a pod of the namespace': pod(NAMESPACE, { app: 'else' }),
  prometheus: pod('monitoring', { app: 'prometheus' }),
  'the ingress controller': pod('ingress', { app: 'nginx' }),
  'an external Redis': pod('redis', {}),
  'the collector': pod('observability', {}),
  'an object store': { address: '52.1.2.3' },
  'the metadata service': { address: '169.254.169.254' },
  'a host of the network': { address: '10.1.2.3' },
} as const satisfies Record<string, Place>;

const PORTS = [53, 443, 4318, 6379, 7400, 7401, 7402, 7410, 7411, 26379];

/** The release's own pods as they are rendered. */
function own(manifests: readonly Manifest[]): Record<string, Place> {
  const labels = (kind: string, suffix: string) => podOf(find(manifests, kind, suffix)).metadata.labels ?? {};
  const has = (suffix: string) =>
    manifests.some(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name.endsWith(suffix));
  return {
    coordinator: pod(NAMESPACE, labels('Deployment', '-coordinator')),
    worker: pod(NAMESPACE, labels('Deployment', '-worker')),
    test: pod(NAMESPACE, labels('Pod', '-test')),
    ...(has('-redis') && { redis: pod(NAMESPACE, labels('StatefulSet', '-redis')) }),
  };
}

/** Every `FROM -> TO: PORT, …` that is let through, of all pairs in both directions, a pod of the release at one end. */
async function open(values: Values): Promise<string[]> {
  const manifests = await render(values);
  const network = new Network(manifests, NAMESPACE, NAMESPACES);
  const inside = own(manifests);
  const all: Record<string, Place> = { ...inside, ...OUTSIDE };
  const found: string[] = [];
  for (const [from, source] of Object.entries(all)) {
    for (const [to, target] of Object.entries(all)) {
      if (from === to || !(from in inside || to in inside)) continue;
      const ports = PORTS.filter((port) => network.allows(source, target, port));
      const udp = network.allows(source, target, 53, 'UDP') ? ['53/UDP'] : [];
      if (ports.length + udp.length > 0) found.push(`${from} -> ${to}: ${[...ports, ...udp].join(', ')}`);
    }
  }
  return found.sort();
}

const vision = [
  {
    namespaceSelector: { matchLabels: NAMESPACES.vision },
    podSelector: { matchLabels: { role: 'trainer' } },
  },
];

const ALWAYS = [
  'coordinator -> dns: 53, 53/UDP',
  'worker -> dns: 53, 53/UDP',
  'test -> dns: 53, 53/UDP',
  'coordinator -> worker: 7410',
  'test -> coordinator: 7400, 7401',
  'prometheus -> coordinator: 7401',
  'prometheus -> worker: 7402',
];
const OWN_REDIS = ['coordinator -> redis: 6379', 'worker -> redis: 6379'];
const TRAINER = ['a trainer -> coordinator: 7400', 'a trainer -> worker: 7410'];

describe('of all pairs of pods and addresses, in both directions, policies let through', () => {
  it('with the defaults: trainers of the same namespace', async () => {
    // Pods of the release are of the namespace too, and may not begin what a rule for trainers would take.
    expect(await open({})).toEqual(
      [
        ...ALWAYS,
        ...OWN_REDIS,
        'a pod of the namespace -> coordinator: 7400',
        'a pod of the namespace -> worker: 7410',
      ].sort(),
    );
  });

  it('with selected trainers: those alone', async () => {
    expect(await open({ networkPolicy: { trainers: vision } })).toEqual(
      [...ALWAYS, ...OWN_REDIS, ...TRAINER].sort(),
    );
  });

  it('with nobody selected: what the fleet itself needs', async () => {
    const nobody = { trainers: [], prometheus: [] };
    expect(await open({ networkPolicy: nobody, tests: { enabled: true } })).toEqual(
      [...ALWAYS.filter((line) => !line.startsWith('prometheus')), ...OWN_REDIS].sort(),
    );
  });

  it('with ingresses: the controller, to what it serves', async () => {
    const ingressControllers = [{ namespaceSelector: { matchLabels: NAMESPACES.ingress } }];
    const values = (enabled: Values) => ({
      networkPolicy: { trainers: vision, ingressControllers },
      coordinator: { ingress: enabled },
    });
    const closed = [...ALWAYS, ...OWN_REDIS, ...TRAINER];
    expect(await open(values({}))).toEqual([...closed].sort());
    expect(await open(values({ grpc: { enabled: true, hosts: ['a'] } }))).toEqual(
      [...closed, 'the ingress controller -> coordinator: 7400'].sort(),
    );
    expect(await open(values({ http: { enabled: true, hosts: ['a'] } }))).toEqual(
      [...closed, 'the ingress controller -> coordinator: 7401'].sort(),
    );
  });

  it('with stores, a collector, people and an external Redis: each of them at its port', async () => {
    const to = (name: keyof typeof NAMESPACES) => [{ namespaceSelector: { matchLabels: NAMESPACES[name] } }];
    const anywhere = [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8', '169.254.0.0/16'] } }];
    const found = await open({
      ...EXTERNAL,
      networkPolicy: {
        trainers: vision,
        operators: [{ ipBlock: { cidr: '10.1.0.0/16' } }],
        redis: [{ to: to('redis'), ports: [6379, 26379] }],
        objectStores: [{ to: anywhere, ports: [443] }],
        otlp: [{ to: to('observability'), ports: [4318] }],
      },
    });
    const each = (what: string) => [`coordinator -> ${what}`, `worker -> ${what}`];
    expect(found).toEqual(
      [
        ...ALWAYS,
        ...TRAINER,
        ...each('an external Redis: 6379, 26379'),
        ...each('an object store: 443'),
        ...each('the collector: 4318'),
        'a host of the network -> coordinator: 7401',
      ].sort(),
    );
  });

  it('with several cells: a port for each', async () => {
    const found = await open({ worker: { cells: 2 }, networkPolicy: { trainers: vision } });
    expect(found).toContain('coordinator -> worker: 7410, 7411');
    expect(found).toContain('a trainer -> worker: 7410, 7411');
    expect(found).not.toContain('a trainer -> worker: 7410, 7411, 7402');
  });

  it('of two releases of one fleet: workers of the second to the Redis of the first, and coordinators to both', async () => {
    const first = await render({
      networkPolicy: {
        fleet: [{ podSelector: { matchLabels: { 'app.kubernetes.io/part-of': 'cropstream' } } }],
      },
    });
    const network = new Network(first, NAMESPACE, NAMESPACES);
    const { coordinator, redis } = own(first) as Record<'coordinator' | 'redis', Place>;
    const other = (component: string) =>
      pod(NAMESPACE, { 'app.kubernetes.io/part-of': 'cropstream', 'app.kubernetes.io/component': component });
    expect(network.allows(other('worker'), redis, 6379)).toBe(true);
    expect(network.allows(coordinator, other('worker'), 7410)).toBe(true);
    expect(network.allows(coordinator, other('worker'), 7402)).toBe(false);
  });

  it('without policies: everything', async () => {
    const manifests = await render({ networkPolicy: { enabled: false } });
    const network = new Network(manifests, NAMESPACE, NAMESPACES);
    expect(network.allows(OUTSIDE['a stranger'], own(manifests).redis as Place, 6379)).toBe(true);
  });
});
