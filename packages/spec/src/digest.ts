import { createHash } from 'node:crypto';
import type { ResolvedSpec } from './schema.js';

/**
 * The version of everything that turns a spec and a manifest into a stream: order, random numbers, sampling,
 * substitution. It changes when any byte of any stream would.
 */
export const STREAM_FORMAT = 1;

/**
 * The run digest: SHA-256, hex, over the canonical JSON of the stream format, the manifest's digest and what of the
 * spec decides about the stream. Left out: the name, all of the dataset but its source and a mix's shares (the manifest has the samples), the recipe's name (its views are spelled out) and the chunk size.
 */
export function runDigest(spec: ResolvedSpec, manifestDigest: string): string {
  const text = canonicalJson({ format: STREAM_FORMAT, manifest: manifestDigest, spec: decisive(spec) });
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/**
 * The first fields in which two specs differ, for people: `seed: 1 there, 2 here`. Names the dataset where the specs
 * agree, since then the manifests differ.
 * @param a the spec of the open run
 */
export function digestDifference(a: ResolvedSpec, b: ResolvedSpec): string {
  const there = flatten(comparable(a));
  const here = flatten(comparable(b));
  const differences: string[] = [];
  for (const field of new Set([...there.keys(), ...here.keys()])) {
    const [old, now] = [there.get(field), here.get(field)];
    if (old !== now) differences.push(`${field}: ${old ?? 'absent'} there, ${now ?? 'absent'} here`);
  }
  if (differences.length === 0) return "the dataset's samples (paths, sizes or labels)";
  const more = differences.length - SHOWN;
  return differences.slice(0, SHOWN).join('; ') + (more > 0 ? `; and ${more} more` : '');
}

const SHOWN = 3;

function decisive(spec: ResolvedSpec): object {
  const { name, recipe, chunk_size, dataset, ...rest } = spec;
  return { ...rest, dataset: { source: dataset.source, ...sharesOf(dataset) } };
}

/** How often a mix draws from its datasets. */
function sharesOf(dataset: ResolvedSpec['dataset']): object {
  if (dataset.source !== 'mix') return {};
  return { mode: dataset.mode, weights: dataset.datasets.map(({ weight }) => weight) };
}

/** The decisive fields with views by name, so that a difference is told by it. */
function comparable(spec: ResolvedSpec): object {
  const views = Object.fromEntries(
    spec.views.map(({ name, transforms, ...identity }) => [
      name,
      {
        ...identity,
        ...Object.fromEntries(transforms.map(({ name: transform, ...rest }) => [transform, rest])),
      },
    ]),
  );
  const order = spec.views.map((view) => [view.name, view.transforms.map((transform) => transform.name)]);
  return { ...decisive(spec), views, 'order of views and transforms': JSON.stringify(order) };
}

function flatten(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value))
      flatten(inner, path === '' ? key : `${path}.${key}`, into);
  } else if (value !== undefined) into.set(path, typeof value === 'string' ? value : JSON.stringify(value));
  return into;
}

/** JSON with every object's keys sorted by code unit and no spaces: RFC 8785, for values that came from JSON. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  // By hand: an object would put keys that look like integers first, in the order of their numbers.
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join()}}`;
}
