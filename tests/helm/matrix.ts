import type { Values } from './chart.js';

const secret = (name: string) => ({ existingSecret: name });

export const TLS: Values = {
  token: secret('fleet-token'),
  tokens: secret('tokens'),
  roots: ['/data', 's3://bucket/train/'],
  tls: {
    coordinatorSecret: 'coordinator-tls',
    workerSecret: 'worker-tls',
    workerName: 'cropstream-worker',
    ca: secret('fleet-ca'),
    clientCa: secret('client-ca'),
  },
};

export const EXTERNAL: Values = {
  redis: { enabled: false },
  externalRedis: {
    url: 'rediss://user@main/1',
    passwordSecret: { name: 'redis' },
    sentinels: ['sentinel-0:26379', 'sentinel-1:26379'],
    sentinelPasswordSecret: { name: 'redis', key: 'sentinel' },
    ca: secret('redis-ca'),
  },
  networkPolicy: {
    redis: [{ to: [{ namespaceSelector: { matchLabels: { name: 'redis' } } }], ports: [6379, 26379] }],
  },
};

const scheduling: Values = {
  nodeSelector: { disk: 'nvme' },
  tolerations: [{ key: 'cpu', operator: 'Exists', effect: 'NoSchedule' }],
  affinity: {
    nodeAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 1, preference: { matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] } },
      ],
    },
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'noisy' } } },
      ],
    },
  },
  priorityClassName: 'batch',
  imagePullSecrets: [{ name: 'own-registry' }],
  serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/data' } },
  podAnnotations: { note: 'kept' },
  podLabels: { team: 'vision' },
  extraEnv: [
    { name: 'AWS_REGION', value: 'eu-west-1' },
    { name: 'AWS_ACCESS_KEY_ID', valueFrom: { secretKeyRef: { name: 's3', key: 'id' } } },
  ],
  extraVolumes: [{ name: 'plugins', configMap: { name: 'plugins' } }],
  extraVolumeMounts: [{ name: 'plugins', mountPath: '/plugins', readOnly: true }],
};

const serviceScheduling: Values = {
  ...scheduling,
  extraEnvFrom: [{ secretRef: { name: 'credentials' } }],
  topologySpreadConstraints: [{ maxSkew: 2, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
  config: { CROPSTREAM_TRANSFORMS: '/plugins/posterize.mjs' },
};

/** Every combination of values that changes what is rendered, by what it is for. */
export const MATRIX: Readonly<Record<string, Values>> = {
  defaults: {},
  'one of each, without budgets': { coordinator: { replicas: 1 }, worker: { replicas: 1 } },
  'TLS, tokens and roots': { security: TLS },
  'the single token without TLS': { security: { token: secret('fleet-token') } },
  'an external Redis behind Sentinels, over TLS': EXTERNAL,
  'an external Redis whose URL is a secret': {
    redis: { enabled: false },
    externalRedis: { urlSecret: { name: 'redis', key: 'url' } },
  },
  'a Redis with a password, and no volume': {
    redis: { auth: secret('redis-password'), persistence: { enabled: false } },
  },
  'a Redis on a storage class, placed': {
    redis: {
      ...scheduling,
      persistence: { storageClass: 'fast', size: '20Gi' },
      image: { digest: `sha256:${'a'.repeat(64)}` },
    },
  },
  'KEDA on desired_workers': {
    worker: {
      autoscaling: {
        kind: 'keda',
        minReplicas: 2,
        keda: {
          serverAddress: 'http://prometheus.monitoring:9090',
          fallbackReplicas: 4,
          authenticationRef: 'prometheus',
        },
      },
    },
  },
  'KEDA with a query of its own, one worker at least': {
    worker: { autoscaling: { kind: 'keda', keda: { serverAddress: 'https://p', query: 'vector(3)' } } },
  },
  'HPA on desired_workers': { worker: { autoscaling: { kind: 'hpa', minReplicas: 3 } } },
  'HPA on CPU': { worker: { autoscaling: { kind: 'hpa', hpa: { metric: 'cpu' } } } },
  'several cells, threads, no preStop': {
    worker: { cells: 4, threads: 32, preStopSeconds: 0, graceSeconds: 120 },
    coordinator: { preStopSeconds: 0 },
  },
  'placed, with extras': {
    coordinator: serviceScheduling,
    worker: serviceScheduling,
    imagePullSecrets: [{ name: 'registry' }],
    commonLabels: { 'cost-centre': 'vision' },
  },
  'accounts that exist': {
    coordinator: { serviceAccount: { create: false, name: 'data-reader' } },
    worker: { serviceAccount: { create: false } },
    redis: { serviceAccount: { create: false } },
  },
  'data on volumes, a cache for each pod': {
    data: [
      {
        name: 'imagenet',
        mountPath: '/data/imagenet',
        source: { persistentVolumeClaim: { claimName: 'imagenet' } },
      },
      {
        name: 'nfs',
        mountPath: '/data/nfs',
        subPath: 'train',
        source: { nfs: { server: 'nas', path: '/x' } },
      },
    ],
    worker: { cache: { kind: 'ephemeral', size: '100Gi', storageClass: 'local-nvme' } },
  },
  'a cache that all share': {
    worker: { cache: { kind: 'existingClaim', existingClaim: 'cache' } },
  },
  'a run from the start': {
    coordinator: {
      spec: {
        name: 'vits16',
        dataset: { source: 'image-folder', url: '/data' },
        recipe: 'dino',
        seed: 42,
        global_batch_size: 1024,
      },
    },
  },
  'ingresses in front of plain services': {
    coordinator: {
      ingress: {
        grpc: { enabled: true, className: 'nginx', hosts: ['grpc.example.org'], tlsSecret: 'edge' },
        http: { enabled: true, hosts: ['crops.example.org'], annotations: { 'cert-manager.io/issuer': 'x' } },
      },
      service: { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8'], annotations: { a: 'b' } },
    },
    networkPolicy: {
      ingressControllers: [
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } },
      ],
    },
  },
  'ingresses in front of TLS': {
    security: TLS,
    coordinator: {
      ingress: {
        grpc: { enabled: true, hosts: ['g'], tlsSecret: 'edge' },
        http: { enabled: true, hosts: ['h'] },
      },
    },
  },
  'everything that operators watch': {
    metrics: {
      serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
      rules: {
        enabled: true,
        labels: { release: 'prometheus' },
        runbooks: 'https://git.example.org/cropstream/',
      },
      dashboard: { enabled: true, annotations: { folder: 'Cropstream' } },
    },
    otlp: { endpoint: 'http://collector.observability:4318' },
  },
  'watched over TLS with a token': {
    security: TLS,
    metrics: {
      serviceMonitor: {
        enabled: true,
        tokenSecret: { name: 'scraper' },
        serverNames: { coordinator: 'cropstream.example.org', worker: 'cropstream-worker' },
        clientSecret: 'scraper-tls',
      },
    },
    tests: { tokenSecret: { name: 'tester' } },
  },
  'where services may connect to': {
    networkPolicy: {
      trainers: [
        {
          namespaceSelector: { matchLabels: { team: 'vision' } },
          podSelector: { matchLabels: { role: 'trainer' } },
        },
      ],
      operators: [{ ipBlock: { cidr: '10.1.0.0/16' } }],
      objectStores: [
        { to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8', '169.254.0.0/16'] } }], ports: [443] },
      ],
      otlp: [
        {
          to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'observability' } } }],
          ports: [4318],
        },
      ],
    },
  },
  'no policies, tests or budgets': {
    networkPolicy: { enabled: false },
    tests: { enabled: false },
    worker: { podDisruptionBudget: { enabled: false } },
    coordinator: { podDisruptionBudget: { enabled: false } },
  },
  'workers of another version beside a fleet': {
    coordinator: { enabled: false },
    redis: { enabled: false },
    externalRedis: { url: 'redis://crop-cropstream-redis:6379' },
    image: { tag: '0.2.0' },
    networkPolicy: { redis: [{ to: [{ podSelector: {} }], ports: [6379] }] },
  },
  'coordinators without workers': { worker: { enabled: false } },
  'authorities of an organisation': { customCA: { configMap: 'org-ca', key: 'bundle.pem' } },
  'other names': { fullnameOverride: 'a-name-that-is-much-longer-than-what-kubernetes-allows-in-a-label' },
};
