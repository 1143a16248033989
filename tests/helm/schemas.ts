import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Manifest } from './chart.js';

/** The oldest that the chart says it runs on, and the newest that there are schemas of. */
const VERSIONS = ['1.27.0', '1.35.0'];

interface Validate {
  (data: unknown): boolean;
  readonly errors?: readonly { readonly instancePath: string; readonly message?: string }[];
}

/** Of resources that an operator defines: where its generated validator lies. */
const OPERATORS: Readonly<Record<string, string>> = {
  'keda.sh/v1alpha1 ScaledObject': 'keda/_schemas/ComGithubKedacoreKedaV2ApisKedaV1alpha1ScaledObject.js',
  'monitoring.coreos.com/v1 ServiceMonitor':
    'prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1ServiceMonitor.js',
  'monitoring.coreos.com/v1 PrometheusRule':
    'prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1PrometheusRule.js',
};

/** What is wrong with manifests by the schemas of Kubernetes and of the operators, unknown fields included. */
export async function wrongIn(manifests: readonly Manifest[]): Promise<string[]> {
  const ofOperators = (each: Manifest) => `${each.apiVersion} ${each.kind}` in OPERATORS;
  const own = manifests.filter((each) => !ofOperators(each));
  const others = await Promise.all(manifests.filter(ofOperators).map(wrongInResource));
  return [...wrongInKubernetes(own), ...others.flat()];
}

function wrongInKubernetes(manifests: readonly Manifest[]): string[] {
  const script = fileURLToPath(new URL('validate.py', import.meta.url));
  const python = process.env.CROPSTREAM_HELM_PYTHON ?? 'python3';
  const { stdout, stderr, status } = spawnSync(python, [script, ...VERSIONS], {
    input: JSON.stringify(manifests),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return (JSON.parse(stdout) as [number, string, string][]).map(([index, version, message]) => {
    const { kind, metadata } = manifests[index] as Manifest;
    return `${kind} ${metadata.name} (${version}): ${message}`;
  });
}

async function wrongInResource(manifest: Manifest): Promise<string[]> {
  const { kind, metadata } = manifest;
  const file = OPERATORS[`${manifest.apiVersion} ${kind}`] as string;
  const { validate } = (await import(
    pathToFileURL(join(process.env.CROPSTREAM_HELM_MODELS ?? '', file)).href
  )) as { validate: Validate };
  const unread = new Set<string>();
  const wrong = validate(watched(manifest, '', unread)) ? [] : (validate.errors ?? []);
  return [
    ...wrong.map(({ instancePath, message }) => `${kind} ${metadata.name} ${instancePath}: ${message}`),
    ...[...unread].map((path) => `${kind} ${metadata.name} ${path}: unknown field`),
  ];
}

/**
 * These schemas let unknown fields pass, as the API server drops them. But a validator reads every field that its schema
 * knows: what it never read is unknown. `unread` has, after validation, the paths of those.
 */
function watched<T>(value: T, path: string, unread: Set<string>): T {
  if (typeof value !== 'object' || value === null) return value;
  const inner = new Map<string, unknown>();
  for (const [key, each] of Object.entries(value)) {
    unread.add(`${path}/${key}`);
    inner.set(key, watched(each, `${path}/${key}`, unread));
  }
  return new Proxy(value, {
    get(target, key, receiver) {
      unread.delete(`${path}/${String(key)}`);
      return typeof key === 'string' && inner.has(key) ? inner.get(key) : Reflect.get(target, key, receiver);
    },
  });
}
