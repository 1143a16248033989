import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CropstreamError, failure } from '@cropstream/errors';
import { z } from 'zod';
import { DECISIONS, type Draws } from '../random/stream.js';
import { probability } from '../validation.js';
import { BUILT_IN, TransformRegistry } from './registry.js';
import type { ResolvedTransform, Transform } from './transform.js';

/** Tightly packed RGB, 8 bits a channel. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Random numbers of one use of a transform; at most 255 draws. */
export interface TransformRandom {
  /** A double in [0, 1). */
  uniform(): number;
  /** A double in [lo, hi]. */
  range(lo: number, hi: number): number;
  /** An integer in [lo, hi]. */
  integer(lo: number, hi: number): number;
}

/**
 * A transform by someone else: the default export of an ES module. Both functions must be pure: the same
 * arguments, the same answer. Probability `p` (default 1) and its draw are Cropstream's.
 */
export interface ThirdPartyTransform {
  /** Lower case words joined by _; not a built-in's. */
  readonly name: string;
  /** Part of the run digest: change it whenever pixels or decisions change. */
  readonly version: string;
  /** Checks the fields of a spec and fills defaults in; zod's schemas fit. Without it any JSON is taken. */
  readonly schema?: { parse(fields: unknown): unknown };
  /** Decides. What it returns must be JSON, not null, and is delivered with the parameters. */
  sample(options: unknown, random: TransformRandom): unknown;
  /** Does what was decided, on a copy; the result must have the same width and height. */
  apply(image: RgbImage, sampled: unknown): RgbImage;
}

const moduleSchema = z.object({
  name: z.string().regex(/^[a-z][a-z0-9_]*$/),
  version: z.string().min(1),
  schema: z.object({ parse: z.function() }).optional(),
  sample: z.function(),
  apply: z.function(),
});

// Keys of the parameters that belong to others: a transform of such a name would overwrite a decision.
const RESERVED = new Set([
  ...BUILT_IN.flatMap((transform) => [transform.name, transform.key ?? transform.name]),
  ...['size', 'interpolation', 'name'],
]);

type Options = ResolvedTransform & { version: string; p: number; options: unknown };

function sequential(draws: Draws): TransformRandom {
  let decision = 0;
  const next = () => {
    decision += 1;
    if (decision >= DECISIONS) throw new RangeError(`more than ${DECISIONS - 1} draws in one use`);
    return decision;
  };
  return {
    uniform: () => draws.uniform(next()),
    range: (lo, hi) => draws.range(next(), lo, hi),
    integer: (lo, hi) => draws.integer(next(), lo, hi),
  };
}

function splitFields(source: ThirdPartyTransform) {
  return z.looseObject({}).transform((fields, context): Omit<Options, 'name'> => {
    const { p, version, ...rest } = fields;
    const chance = probability.default(1).safeParse(p);
    if (!chance.success) context.addIssue({ code: 'custom', path: ['p'], message: 'a number in [0, 1]' });
    if (version !== undefined && version !== source.version) {
      context.addIssue({
        code: 'custom',
        path: ['version'],
        message: `${source.version}, the one registered`,
      });
    }
    // With a version it is the resolved form, which keeps the transform's own fields apart.
    const given = version === undefined ? rest : rest.options;
    try {
      return { version: source.version, p: chance.data ?? 1, options: source.schema?.parse(given) ?? given };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      context.addIssue({ code: 'custom', message: `fields that ${source.name} accepts: ${reason}` });
      return z.NEVER;
    }
  });
}

/** Fits a third-party transform into the registry's interface. */
export function adapt(source: ThirdPartyTransform, path: string): Transform<Options> {
  const broken = (reason: string) =>
    failure('TRANSFORM_INVALID', { path, reason: `${source.name}: ${reason}` });
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw error instanceof CropstreamError
        ? error
        : broken(error instanceof Error ? error.message : String(error));
    }
  };
  return {
    name: source.name,
    version: source.version,
    place: 'pixels',
    stage: 'color',
    key: source.name,
    schema: splitFields(source),
    sample(options, draws) {
      if (!draws.chance(0, options.p)) return { [source.name]: null };
      const sampled = guarded(() => source.sample(options.options, sequential(draws)));
      // Through JSON, so that what is applied now is what a reader of the parameters can apply again.
      const json = guarded(() => JSON.stringify(sampled)) ?? 'null';
      if (json === 'null') throw broken('sample() returned nothing; return an object');
      return { [source.name]: JSON.parse(json) as unknown };
    },
    apply(kernels, params) {
      const sampled = params[source.name];
      if (sampled === null || sampled === undefined) return;
      const before = kernels.readPixels();
      const { width, height } = before;
      const after: Partial<RgbImage> | undefined = guarded(() => source.apply(before, sampled));
      const data = after?.data;
      const fits = after?.width === width && after.height === height;
      if (!fits || !(data instanceof Uint8Array) || data.length !== width * height * 3) {
        throw broken(`apply() must return RGB of ${width} x ${height} as a Uint8Array`);
      }
      kernels.writePixels({ width, height, data });
    },
  };
}

/**
 * The registry with the transforms of these modules, loaded in order. Paths come from whoever starts the
 * service, never from a spec: importing what a trainer names would let it run code here.
 * @param paths of ES modules, relative to the working directory
 * @throws TRANSFORM_INVALID
 */
export async function loadTransforms(paths: readonly string[]): Promise<TransformRegistry> {
  const loaded: Transform[] = [];
  for (const path of paths) {
    const fail = (reason: string) => failure('TRANSFORM_INVALID', { path, reason });
    let module: { default?: unknown };
    try {
      module = (await import(pathToFileURL(resolve(path)).href)) as { default?: unknown };
    } catch (error) {
      throw fail(error instanceof Error ? error.message : String(error));
    }
    const parsed = moduleSchema.safeParse(module.default);
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      throw fail(`default export, ${issue.path.join('.') || 'itself'}: ${issue.message}`);
    }
    const source = module.default as ThirdPartyTransform;
    if (RESERVED.has(source.name)) throw fail(`the name ${source.name} is taken`);
    if (loaded.some(({ name }) => name === source.name)) throw fail(`${source.name} is registered twice`);
    loaded.push(adapt(source, path) as Transform);
  }
  return new TransformRegistry(loaded);
}
