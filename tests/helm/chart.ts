import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';

/** What `scripts/helm.mjs` found. */
const helm = process.env.CROPSTREAM_HELM ?? 'helm';

export const chart = fileURLToPath(new URL('../../k8s/helm/cropstream', import.meta.url));
export const RELEASE = 'crop';
export const NAMESPACE = 'training';

export type Values = { readonly [key: string]: unknown };

/** A manifest, of which tests read what they look for. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: Values;
  readonly data?: Readonly<Record<string, string>>;
}

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: Values;
}

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string; readonly scheme: 'HTTP' | 'HTTPS' };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly Variable[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly lifecycle?: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
  readonly securityContext: Values;
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
}

export interface PodSpec {
  readonly containers: readonly [Container];
  readonly securityContext: Values;
  readonly terminationGracePeriodSeconds: number;
  readonly automountServiceAccountToken: boolean;
  readonly serviceAccountName: string;
  readonly volumes?: readonly ({ readonly name: string } & Values)[];
  readonly [key: string]: unknown;
}

export interface PodTemplate {
  readonly metadata: Manifest['metadata'];
  readonly spec: PodSpec;
}

const run = promisify(execFile);
const MAX_OUTPUT = 64 << 20;

/** Runs helm with values in a file. @throws with what helm said */
async function withValues(values: Values, command: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'cropstream-helm-'));
  try {
    const file = join(folder, 'values.json');
    writeFileSync(file, JSON.stringify(values));
    const { stdout } = await run(helm, [...command, '--values', file], { maxBuffer: MAX_OUTPUT });
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const lint = (values: Values) => withValues(values, ['lint', '--strict', chart]);

/** What `helm install` would send, tests' pods included. @throws with what helm said */
export async function render(values: Values = {}, kubeVersion = '1.35.0'): Promise<Manifest[]> {
  const where = ['--namespace', NAMESPACE, '--kube-version', kubeVersion];
  const text = await withValues(values, ['template', RELEASE, chart, ...where]);
  return parseAllDocuments(text)
    .map((document) => {
      if (document.errors.length > 0) throw document.errors[0];
      return document.toJS() as Manifest | null;
    })
    .filter((manifest) => manifest !== null);
}

/** What helm says of values that it refuses. */
export async function refusal(values: Values): Promise<string> {
  try {
    await render(values);
  } catch (error) {
    return (error as { stderr: string }).stderr;
  }
  throw new Error(`helm took ${JSON.stringify(values)}`);
}

export const defaults = parse(readFileSync(join(chart, 'values.yaml'), 'utf8')) as Values;

export function find(manifests: readonly Manifest[], kind: string, suffix = ''): Manifest {
  const found = manifests.filter(({ kind: k, metadata }) => k === kind && metadata.name.endsWith(suffix));
  if (found.length !== 1) throw new Error(`${found.length} of ${kind} ${suffix}`);
  return found[0] as Manifest;
}

export const kinds = (manifests: readonly Manifest[]) => manifests.map(({ kind }) => kind);

/** A workload's pods, or a Pod's own spec. */
export function podOf(manifest: Manifest): PodTemplate {
  if (manifest.kind === 'Pod')
    return { metadata: manifest.metadata, spec: manifest.spec as unknown as PodSpec };
  return (manifest.spec as { template: PodTemplate }).template;
}

export const WORKLOADS = new Set(['Deployment', 'StatefulSet', 'Pod']);

export const variables = ({ env }: Container) => new Map((env ?? []).map((each) => [each.name, each]));
