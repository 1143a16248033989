import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { checkKeys, RECIPES } from '@cropstream/augment';
import { failure } from '@cropstream/errors';
import { parse as parseYaml } from 'yaml';
import { baseConfigs, isLessonConfig, translateLesson, URL_KEYS } from './lesson.js';
import { isMapping, type Mapping, mergeSpecs } from './merge.js';

export interface LoadedSpec {
  /** For `parseSpec`, after flags were put on top: nothing is checked yet. */
  readonly spec: Mapping;
  /** What a person should know: keys that were translated or ignored. One sentence each. */
  readonly notices: readonly string[];
  /** Keys of a training config that are no business of a data loader, as they were. */
  readonly aside: Mapping;
}

/**
 * Reads a spec in YAML or JSON, with what it `extends:` below it (paths relative to the file that names them, later
 * ones on top of earlier; so is where a dataset lies). Hydra-like training configs such as the lesson's `cifar10_config.yaml` are understood too.
 * @throws SPEC_UNREADABLE, and SPEC_INVALID for a key that no schema would see
 */
export async function loadSpecFile(path: string): Promise<LoadedSpec> {
  const notices: string[] = [];
  const document = await loadDocument(resolve(path), [], notices);
  const lesson = isLessonConfig(document);
  const { spec, aside } = lesson ? translateLesson(document, notices) : { spec: document, aside: {} };
  return { spec: settleRemovals(spec), notices, aside };
}

async function loadDocument(path: string, chain: readonly string[], notices: string[]): Promise<Mapping> {
  if (chain.includes(path)) throw unreadable(path, `it extends itself: ${[...chain, path].join(' -> ')}`);
  const { extends: parents, defaults, ...own } = fromItsFolder(await readDocument(path), dirname(path));
  const below = [...chain, path];
  let merged: Mapping = {};
  for (const parent of parentPaths(parents, path)) {
    merged = mergeSpecs(merged, await loadDocument(resolve(dirname(path), parent), below, notices));
  }
  const { before, after } = baseConfigs(defaults, notices);
  const optional = async (names: readonly string[]) => {
    for (const name of names) {
      const found = await findBaseConfig(dirname(path), name);
      if (found === undefined)
        notices.push(`defaults: ${name}: there is no ${name}.yaml beside ${path}; gone on without it.`);
      else merged = mergeSpecs(merged, await loadDocument(found, below, notices));
    }
  };
  await optional(before);
  merged = mergeSpecs(merged, own, false);
  await optional(after);
  return merged;
}

function parentPaths(parents: unknown, path: string): string[] {
  if (parents === undefined) return [];
  const list = Array.isArray(parents) ? parents : [parents];
  if (list.every((parent) => typeof parent === 'string')) return list;
  throw unreadable(path, 'extends: takes a path or a list of paths');
}

async function findBaseConfig(folder: string, name: string): Promise<string | undefined> {
  for (const extension of ['', '.yaml', '.yml']) {
    const candidate = resolve(folder, name + extension);
    if (extension === '' && extname(name) === '') continue;
    const found = await readFile(candidate).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return undefined;
}

async function readDocument(path: string): Promise<Mapping> {
  let document: unknown;
  try {
    const text = await readFile(path, 'utf8');
    document = extname(path) === '.json' ? JSON.parse(text) : parseYaml(text);
  } catch (error) {
    throw unreadable(path, error instanceof Error ? error.message.trim() : String(error));
  }
  if (document === null || document === undefined) return {};
  if (!isMapping(document)) throw unreadable(path, 'it is not a mapping of fields');
  checkKeys(document);
  return document;
}

/** Where a dataset lies is meant as seen from the file that says so, as `extends:` is. */
function fromItsFolder(document: Mapping, folder: string): Mapping {
  const absolute = (mapping: unknown, keys: readonly string[]) => {
    if (!isMapping(mapping)) return mapping;
    const paths = keys.filter((key) => typeof mapping[key] === 'string' && !isAbsolute(String(mapping[key])));
    return {
      ...mapping,
      ...Object.fromEntries(paths.map((key) => [key, resolve(folder, String(mapping[key]))])),
    };
  };
  const { dataset, data } = document;
  return {
    ...document,
    ...(dataset !== undefined && { dataset: absolute(dataset, ['url', 'subset']) }),
    ...(data !== undefined && { data: absolute(data, URL_KEYS) }),
  };
}

/** A URL, or a path from the home folder, which the dataset's storage knows: as it is. */
const isAbsolute = (path: string) => /^([a-z][a-z0-9+.-]*:\/\/|~(\/|$))/i.test(path);

/**
 * A null under `views` removes a view of the recipe. Where the recipe has no such view, an extended file's was meant,
 * and it is gone already.
 */
function settleRemovals(spec: Mapping): Mapping {
  const { views, recipe } = spec;
  if (!isMapping(views)) return spec;
  const names = typeof recipe === 'string' ? Object.keys(RECIPES[recipe]?.views ?? {}) : [];
  const known = (name: string) =>
    names.some((view) => name === view || name.replace(/_\d+$/, '') === view.replace(/_\d+$/, ''));
  const kept = Object.entries(views).filter(([name, view]) => view !== null || known(name));
  return { ...spec, views: Object.fromEntries(kept) };
}

function unreadable(path: string, reason: string) {
  return failure('SPEC_UNREADABLE', { path, reason });
}
