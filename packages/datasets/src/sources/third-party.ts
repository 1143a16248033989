import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CropstreamError, failure } from '@cropstream/errors';
import * as z from 'zod';
import type { Manifest } from '../manifests/manifest.js';
import type { IndexedDataset, SampleReader } from '../source.js';
import { StorageError } from '../storage/storage.js';
import { SOURCES } from './index.js';
import { SourceRegistry, sourceId, type ThirdPartySource } from './registry.js';
import { sourceKit } from './source-kit.js';

const sourceSchema = z.object({
  kind: z.enum(['files', 'shards']),
  name: z
    .string()
    .regex(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/, { error: 'expected lower case words joined by -' }),
  version: z.string().regex(/^[\w.+-]+$/, { error: 'expected letters, digits and . + - _' }),
  index: z.function(),
  open: z.function(),
});

/** Names that are no source's to take. */
const TAKEN = new Set([...Object.keys(SOURCES), 'mix']);

/**
 * The registry with the sources of these modules, loaded in order. Paths come from whoever starts the service, never from
 * a spec: importing what a trainer names would let it run code here.
 *
 * @param paths of ES modules, relative to the working directory
 * @throws SOURCE_INVALID
 */
export async function loadSources(paths: readonly string[]): Promise<SourceRegistry> {
  const loaded: ThirdPartySource[] = [];
  for (const path of paths) {
    const source = await loadSource(path);
    const { name } = source;
    if (TAKEN.has(name)) throw invalid(path, `the name ${name} is taken`);
    if (loaded.some((other) => other.name === name)) throw invalid(path, `${name} is registered twice`);
    loaded.push(source);
  }
  return new SourceRegistry(loaded);
}

async function loadSource(path: string): Promise<ThirdPartySource> {
  const made = await guarded(path, async () => {
    const module = (await import(pathToFileURL(resolve(path)).href)) as { default?: unknown };
    if (typeof module.default !== 'function') throw new TypeError('its default export is no function');
    return (module.default as (kit: typeof sourceKit) => unknown)(sourceKit);
  });
  const parsed = sourceSchema.safeParse(made);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw invalid(
      path,
      `what its default export gives, ${issue.path.join('.') || 'itself'}: ${issue.message}`,
    );
  }
  const source = made as ThirdPartySource;
  checkSchema(source, path);
  return watched(source, path);
}

/** A spec's datasets are told apart by `source`. */
function checkSchema({ name, schema }: ThirdPartySource, path: string): void {
  const shape: Readonly<Record<string, z.ZodType>> | undefined = schema?.shape;
  const named = shape?.source?.safeParse(name).success && !shape.source.safeParse(`${name}-`).success;
  if (named && shape.url !== undefined) return;
  throw invalid(
    path,
    `schema: expected a z.strictObject with source: z.literal('${name}') and ...datasetFields`,
  );
}

/** The same source, whose mistakes are told as its own. */
function watched(source: ThirdPartySource, path: string): ThirdPartySource {
  const id = sourceId(source);
  const index = async (...args: Parameters<ThirdPartySource['index']>): Promise<IndexedDataset<never>> => {
    const signal = args[2].signal;
    const indexed = await guarded<IndexedDataset<Manifest>>(path, () => source.index(...args), signal);
    const made = indexed?.manifest?.source;
    if (made !== id) throw invalid(path, `index() made a manifest of the source ${made}; it must be ${id}`);
    return indexed as IndexedDataset<never>;
  };
  const open = (...args: [never, never, never, never]): SampleReader =>
    watchedReader(source.open(...args), path);
  const { kind, name, version, schema } = source;
  return { kind, name, version, schema, index, open } as ThirdPartySource;
}

function watchedReader(reader: SampleReader, path: string): SampleReader {
  return {
    size: (id, signal) => guarded(path, () => reader.size(id, signal), signal),
    read: (id, signal) => guarded(path, () => reader.read(id, signal), signal),
    head: (id, length, signal) => guarded(path, () => reader.head(id, length, signal), signal),
    close: () => reader.close(),
  };
}

/** Errors of the table, of a storage and of an abort are what they are; any other is a mistake in the module. */
async function guarded<T>(path: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CropstreamError || error instanceof StorageError || signal?.aborted) throw error;
    throw invalid(path, error instanceof Error ? error.message : String(error), error);
  }
}

const invalid = (path: string, reason: string, cause?: unknown) =>
  failure('SOURCE_INVALID', { path, reason }, { cause });
