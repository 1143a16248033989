import { beforeAll, describe, expect, it } from 'vitest';
import {
  type Container,
  defaults,
  find,
  kinds,
  lint,
  type Manifest,
  type PodTemplate,
  podOf,
  refusal,
  render,
  type Values,
  variables,
  WORKLOADS,
} from './chart.js';
import { EXTERNAL, MATRIX, TLS } from './matrix.js';
import { wrongIn } from './schemas.js';

const rendered = new Map<string, readonly Manifest[]>();
const of = (name: keyof typeof MATRIX) => rendered.get(name) as readonly Manifest[];
/** Every workload of every combination. */
const pods = () =>
  [...rendered].flatMap(([name, manifests]) =>
    manifests
      .filter(({ kind }) => WORKLOADS.has(kind))
      .map((manifest) => ({ name: `${name}: ${manifest.metadata.name}`, manifest, pod: podOf(manifest) })),
  );

beforeAll(async () => {
  for (const [name, values] of Object.entries(MATRIX)) rendered.set(name, await render(values));
}, 120_000);

describe('every combination of values', () => {
  it('is what Kubernetes and the operators take, oldest and newest version', async () => {
    const distinct = new Map<string, Manifest>();
    for (const manifest of [...rendered.values()].flat()) distinct.set(JSON.stringify(manifest), manifest);
    expect(await wrongIn([...distinct.values()])).toEqual([]);
    console.log(`${rendered.size} combinations, ${distinct.size} distinct manifests`);
  }, 180_000);

  it('names no object twice', () => {
    for (const [name, manifests] of rendered) {
      const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
      expect(new Set(names).size, name).toBe(names.length);
      for (const { metadata } of manifests) expect(metadata.name.length, name).toBeLessThanOrEqual(63);
    }
  });

  it('passes helm lint', async () => {
    for (const name of ['defaults', 'placed, with extras', 'everything that operators watch']) {
      expect(await lint(MATRIX[name] as Values)).toContain('0 chart(s) failed');
    }
  });

  it('runs without rights, on a root that cannot be written, in pods that know nothing of the cluster', () => {
    for (const { name, manifest, pod } of pods()) {
      const { spec } = pod;
      expect(spec.securityContext, name).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(spec.automountServiceAccountToken, name).toBe(false);
      for (const container of spec.containers) {
        expect(container.securityContext, name).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        for (const { name: volume, mountPath } of container.volumeMounts) {
          expect(volumesOf(manifest), `${name} ${mountPath}`).toContain(volume);
        }
      }
    }
  });

  it('gives a stop more time than the drain takes', () => {
    for (const { name, pod } of services()) {
      const [container] = pod.spec.containers;
      const grace = Number(variables(container).get('CROPSTREAM_GRACE')?.value?.replace('s', ''));
      const before = Number(container.lifecycle?.preStop.exec.command[1] ?? 0);
      // A service takes 10 s at most beyond its grace.
      expect(pod.spec.terminationGracePeriodSeconds, name).toBeGreaterThan(before + grace + 10);
    }
  });

  it('has one autoscaler at most, and then no number of replicas', () => {
    for (const [name, manifests] of rendered) {
      const scalers = manifests.filter(({ kind }) => /^(HorizontalPodAutoscaler|ScaledObject)$/.test(kind));
      const { worker } = MATRIX[name] as { worker?: { autoscaling?: { kind: string }; enabled?: boolean } };
      expect(scalers.length, name).toBe(worker?.autoscaling ? 1 : 0);
      if (worker?.enabled === false) continue;
      const deployment = find(manifests, 'Deployment', '-worker');
      expect('replicas' in (deployment.spec ?? {}), name).toBe(scalers.length === 0);
    }
  });

  it('lets nobody empty nodes of more than one pod at a time, and of a single pod always', () => {
    const budgets = (name: string) => of(name).filter(({ kind }) => kind === 'PodDisruptionBudget').length;
    expect(budgets('defaults')).toBe(2);
    expect(budgets('one of each, without budgets')).toBe(0);
    expect(budgets('KEDA on desired_workers')).toBe(2);
    expect(budgets('KEDA with a query of its own, one worker at least')).toBe(1);
  });
});

/** Their names, those that a claim of a StatefulSet makes included. */
function volumesOf(manifest: Manifest): string[] {
  const claims = (manifest.spec?.volumeClaimTemplates ?? []) as readonly Manifest[];
  return [
    ...(podOf(manifest).spec.volumes ?? []).map(({ name }) => name),
    ...claims.map(({ metadata }) => metadata.name),
  ];
}

const services = () => pods().filter(({ manifest }) => manifest.kind === 'Deployment');
const container = (name: string, component: string): Container =>
  podOf(find(of(name), 'Deployment', `-${component}`)).spec.containers[0];
const annotations = (manifests: readonly Manifest[], component: string) =>
  podOf(find(manifests, 'Deployment', `-${component}`)).metadata.annotations ?? {};

describe('the autoscaler', () => {
  it('of KEDA asks Prometheus for the number that is wanted', () => {
    expect(find(of('KEDA on desired_workers'), 'ScaledObject').spec).toMatchObject({
      minReplicaCount: 2,
      fallback: { replicas: 4 },
      triggers: [
        {
          type: 'prometheus',
          metricType: 'AverageValue',
          metadata: {
            query:
              'max(cropstream_coordinator_desired_workers{namespace="training",service="crop-cropstream-coordinator"})',
            threshold: '1',
          },
        },
      ],
    });
  });

  it('of Kubernetes takes the same number as an external metric, or the CPU', () => {
    expect(find(of('HPA on desired_workers'), 'HorizontalPodAutoscaler').spec).toMatchObject({
      minReplicas: 3,
      metrics: [
        {
          type: 'External',
          external: {
            metric: { name: 'cropstream_coordinator_desired_workers' },
            target: { type: 'AverageValue', averageValue: '1' },
          },
        },
      ],
    });
    expect(find(of('HPA on CPU'), 'HorizontalPodAutoscaler').spec).toMatchObject({
      metrics: [{ type: 'Resource', resource: { name: 'cpu' } }],
    });
  });
});

describe('pods', () => {
  it('of workers tell their own address, and have a port for each cell', () => {
    const worker = container('several cells, threads, no preStop', 'worker');
    expect(variables(worker).get('CROPSTREAM_ADVERTISE')?.valueFrom).toEqual({
      fieldRef: { fieldPath: 'status.podIP' },
    });
    expect(worker.ports.map(({ containerPort }) => containerPort)).toEqual([7410, 7411, 7412, 7413, 7402]);
    expect(worker.lifecycle).toBeUndefined();
  });

  it('get secrets as files of whole folders, which follow the Secret', () => {
    for (const component of ['coordinator', 'worker']) {
      const given = container('TLS, tokens and roots', component);
      const value = (name: string) => variables(given).get(name)?.value;
      expect(value('CROPSTREAM_TOKENS_FILE')).toBe('/etc/cropstream/tokens/tokens.yaml');
      expect(value('CROPSTREAM_TLS_KEY')).toBe('/etc/cropstream/tls/tls.key');
      const { volumes } = podOf(find(of('TLS, tokens and roots'), 'Deployment', `-${component}`)).spec;
      expect(volumes).toContainEqual({
        name: 'tls',
        secret: { secretName: `${component}-tls`, defaultMode: 0o440 },
      });
      for (const variable of variables(given).values()) {
        const [, folder] = /^\/etc\/cropstream\/([\w-]+)\//.exec(variable.value ?? '') ?? [];
        if (folder) expect(given.volumeMounts.map(({ name }) => name)).toContain(folder);
      }
    }
  });

  it('are replaced where what they were started with changes, and else are not', async () => {
    const [before, same, changed, respecced] = [
      of('a run from the start'),
      await render(MATRIX['a run from the start']),
      await render({ ...MATRIX['a run from the start'], security: { roots: ['/data'] } }),
      await render({ coordinator: { spec: { name: 'another' } } }),
    ];
    for (const component of ['coordinator', 'worker']) {
      expect(annotations(same, component)).toEqual(annotations(before, component));
      expect(annotations(changed, component)).not.toEqual(annotations(before, component));
    }
    expect(annotations(respecced, 'coordinator')['checksum/spec']).not.toBe(
      annotations(before, 'coordinator')['checksum/spec'],
    );
  });

  it('carry what each component was given, and not what the other was', async () => {
    const manifests = await render({
      coordinator: { nodeSelector: { role: 'head' }, extraEnv: [{ name: 'ONE', value: '1' }] },
      worker: { priorityClassName: 'low', config: { CROPSTREAM_JOBS: 3 } },
    });
    const [coordinator, worker] = ['-coordinator', '-worker'].map(
      (name): PodTemplate => podOf(find(manifests, 'Deployment', name)),
    );
    expect(coordinator?.spec.nodeSelector).toEqual({ role: 'head' });
    expect(worker?.spec.nodeSelector).toBeUndefined();
    expect(worker?.spec.priorityClassName).toBe('low');
    expect(variables(worker!.spec.containers[0]).get('CROPSTREAM_JOBS')?.value).toBe('3');
    expect(variables(coordinator!.spec.containers[0]).has('CROPSTREAM_JOBS')).toBe(false);
    expect(variables(worker!.spec.containers[0]).has('ONE')).toBe(false);
  });

  it('are spread over nodes and zones', () => {
    for (const component of ['coordinator', 'worker']) {
      const { topologySpreadConstraints } = podOf(find(of('defaults'), 'Deployment', `-${component}`)).spec;
      expect(
        (topologySpreadConstraints as { topologyKey: string }[]).map((each) => each.topologyKey),
      ).toEqual(['kubernetes.io/hostname', 'topology.kubernetes.io/zone']);
    }
  });

  it('of Redis log every write and never evict', () => {
    const [redis] = podOf(find(of('defaults'), 'StatefulSet')).spec.containers;
    expect(redis.args.join(' ')).toMatch(/--appendonly yes .*--maxmemory-policy noeviction/);
    expect(find(of('defaults'), 'StatefulSet').spec).toHaveProperty('volumeClaimTemplates');
    expect(kinds(of('an external Redis behind Sentinels, over TLS'))).not.toContain('StatefulSet');
  });
});

describe('Prometheus', () => {
  it('verifies each component by a name of its own, since one certificate is not the other', () => {
    const name = 'watched over TLS with a token';
    for (const [component, serverName] of [
      ['coordinator', 'cropstream.example.org'],
      ['worker', 'cropstream-worker'],
    ] as const) {
      expect(find(of(name), 'ServiceMonitor', `-${component}`).spec).toMatchObject({
        selector: { matchLabels: { 'app.kubernetes.io/component': component } },
        endpoints: [{ port: 'http', scheme: 'https', tlsConfig: { serverName } }],
      });
    }
  });

  it('finds one Service of each component that has the port', () => {
    for (const component of ['coordinator', 'worker']) {
      const services = of('defaults').filter(
        ({ kind, metadata }) =>
          kind === 'Service' && metadata.labels?.['app.kubernetes.io/component'] === component,
      );
      const withHttp = services.filter(({ spec }) => {
        const { ports } = spec as { ports: readonly { name: string }[] };
        return ports.some((port) => port.name === 'http');
      });
      expect(withHttp).toHaveLength(1);
    }
  });

  it('is told where to read what to do', () => {
    const text = JSON.stringify(find(of('everything that operators watch'), 'PrometheusRule').spec);
    expect(text).toContain('"runbook_url":"https://git.example.org/cropstream/docs/operations.md#');
  });
});

describe('values', () => {
  it('that the schema does not know are refused, wherever they stand', async () => {
    const places = [...objectsIn(defaults)];
    expect(places.length).toBeGreaterThan(45);
    // One refusal names all of them.
    const said = await refusal(places.reduce<Values>((values, path) => withUnknown(values, path), defaults));
    for (const path of places) {
      const where = path.length === 0 ? "at ''" : `at '/${path.join('/')}'`;
      expect(said, where).toMatch(new RegExp(`${where.replaceAll('/', '\\/')}: additional properties`));
    }
  });

  it('inside of lists and of what Kubernetes defines are refused too', async () => {
    for (const values of [
      { data: [{ name: 'a', mountPath: '/a', source: { nfs: {} }, unknown: 1 }] },
      { data: [{ name: 'a', mountPath: '/a', source: { unknown: {} } }] },
      { worker: { tolerations: [{ unknown: 1 }] } },
      { worker: { affinity: { unknown: {} } } },
      { worker: { affinity: { nodeAffinity: { unknown: [] } } } },
      { worker: { extraEnv: [{ name: 'A', unknown: 1 }] } },
      { worker: { extraEnv: [{ name: 'A', valueFrom: { unknown: {} } }] } },
      { worker: { extraVolumes: [{ name: 'a', unknown: {} }] } },
      { worker: { extraVolumeMounts: [{ name: 'a', mountPath: '/a', unknown: 1 }] } },
      {
        worker: {
          topologySpreadConstraints: [
            { maxSkew: 1, topologyKey: 'a', whenUnsatisfiable: 'ScheduleAnyway', unknown: 1 },
          ],
        },
      },
      { worker: { imagePullSecrets: [{ name: 'a', unknown: 1 }] } },
      { worker: { config: { CROPSTREAM_UNKNOWN: 1 } } },
      { worker: { config: { CROPSTREAM_MAX_RUNS: 1 } } },
      { coordinator: { config: { CROPSTREAM_PORT: 1 } } },
      { networkPolicy: { trainers: [{ unknown: {} }] } },
      { networkPolicy: { trainers: [{ podSelector: { unknown: {} } }] } },
      { networkPolicy: { otlp: [{ to: [{ podSelector: {} }], ports: [1], unknown: 1 }] } },
    ]) {
      expect(await refusal(values), JSON.stringify(values)).toMatch(
        /additional properties|propertyName|oneOf|maxProperties/,
      );
    }
  }, 120_000);

  it.each([
    [{ worker: { autoscaling: { kind: 'both' } } }, "at '/worker/autoscaling/kind'"],
    [{ worker: { autoscaling: { kind: 'keda' } } }, 'serverAddress is wanted'],
    [{ worker: { autoscaling: { minReplicas: 0 } } }, "at '/worker/autoscaling/minReplicas'"],
    [{ worker: { autoscaling: { minReplicas: 30 } } }, 'minReplicas is over maxReplicas'],
    [{ worker: { replicas: -1 } }, "at '/worker/replicas'"],
    [{ worker: { cells: 0 } }, "at '/worker/cells'"],
    [{ worker: { logLevel: 'loud' } }, "at '/worker/logLevel'"],
    [{ worker: { resources: { limits: { memory: '4 gigs' } } } }, "at '/worker/resources/limits/memory'"],
    [{ worker: { cache: { kind: 'existingClaim' } } }, 'worker.cache.existingClaim is wanted'],
    [{ coordinator: { ingress: { grpc: { enabled: true } } } }, 'coordinator.ingress.grpc.hosts is wanted'],
    [{ redis: { enabled: false } }, 'externalRedis.url or externalRedis.urlSecret.name is wanted'],
    [{ ...EXTERNAL, redis: { enabled: true } }, 'exactly one Redis is wanted'],
    [{ externalRedis: { url: 'http://redis' } }, "at '/externalRedis/url'"],
    [{ security: { tokens: { existingSecret: 'a' } } }, 'security.tokens wants security.token'],
    [{ security: { tls: { coordinatorSecret: 'a' } } }, 'are wanted together'],
    [{ security: { tls: { clientCa: { existingSecret: 'a' } } } }, 'security.tls.clientCa wants'],
    [{ customCA: { configMap: 'a', secret: 'b' } }, 'one at most is wanted'],
    [{ image: { digest: 'latest' } }, "at '/image/digest'"],
    [{ prefix: 'a:b' }, "at '/prefix'"],
    [{ security: { roots: ['data'] } }, "at '/security/roots/0'"],
    [{ security: { roots: ['/a,/b'] } }, "at '/security/roots/0'"],
    [{ networkPolicy: { dns: [] } }, "at '/networkPolicy/dns'"],
  ])('%j are refused with what is wrong', async (values, expected) => {
    expect(await refusal(values)).toContain(expected);
  });

  it('that secure a fleet leave out nothing of it', () => {
    expect(TLS).toMatchObject({ tls: { clientCa: {}, ca: {} }, tokens: {}, token: {} });
  });
});

/** The paths of all objects in the default values whose keys are the chart's own. */
function* objectsIn(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  if (FREE.test(path.at(-1) ?? '')) return;
  yield path;
  for (const [key, inner] of Object.entries(value)) yield* objectsIn(inner, [...path, key]);
}

/** Whose keys are the user's, Kubernetes' or the run's; those of `config` are looked at below. */
const FREE =
  /^(commonLabels|labels|annotations|podLabels|podAnnotations|nodeSelector|spec|config|requests|limits)$/;

function withUnknown(values: Values, [first, ...rest]: readonly string[]): Values {
  if (first === undefined) return { ...values, unknownKey: 1 };
  return { ...values, [first]: withUnknown(values[first] as Values, rest) };
}
