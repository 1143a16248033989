import { type CropstreamError, failure } from '@cropstream/errors';
import * as z from 'zod';
import { encodePath, whyUnsafe } from '../../paths.js';

export const INDEX_FILE = 'index.json';

/** What zstd wraps: nothing, a chunk's whole file, some of its samples at a time, or each sample. */
export type Compression = 'none' | 'chunk' | 'batch' | 'sample';

/** A value that each sample has. */
export interface Leaf {
  /** Its key in a dict, or its place in a tuple or list; of what is nested, the keys on the way to it with `/` between. */
  readonly name: string;
  /** Inside another dict, list or tuple of the sample. */
  readonly nested: boolean;
  /** The library's name for how it is stored: `jpeg`, `int`, `image:png`, ... */
  readonly format: string;
}

export interface Chunk {
  /** Its file, below the index file's folder. */
  readonly path: string;
  /** Of its file, or, where the whole file is compressed, of what is in it. */
  readonly bytes: number;
  readonly samples: number;
}

export interface LitDataIndex {
  readonly compression: Compression;
  /** In the order that a sample's bytes have them. */
  readonly leaves: readonly Leaf[];
  readonly chunks: readonly Chunk[];
}

const count = z.int().min(0);

const chunkSchema = z.object({ filename: z.string(), chunk_bytes: count, chunk_size: count });

const indexSchema = z.object({
  chunks: z.array(chunkSchema),
  config: z.object({
    compression: z
      .string()
      .regex(/^zstd(:\d{1,2})?$/, {
        error: ({ input }) => `${JSON.stringify(input)} is unknown: null, zstd or zstd:N`,
      })
      .nullish(),
    compression_level: z.enum(['chunk', 'batch', 'sample']).nullish(),
    data_format: z.array(z.string()).min(1, { error: 'it names no field' }),
    data_spec: z.string().nullish(),
    encryption: z.null({ error: 'encrypted chunks are not read: write them without encryption' }).optional(),
    item_loader: z
      .literal('PyTreeLoader', {
        error: ({ input }) => `chunks of ${JSON.stringify(input)} are not read: only those of PyTreeLoader`,
      })
      .nullish(),
    format: z
      .null({ error: ({ input }) => `chunks of the format ${JSON.stringify(input)} are not read` })
      .optional(),
  }),
});

/**
 * What LitData's `index.json` says.
 *
 * @throws DATASET_MALFORMED naming the field and its value
 */
export function parseIndex(bytes: Uint8Array): LitDataIndex {
  const { chunks, config } = checked(indexSchema, parseJson(Buffer.from(bytes).toString('utf8'), ''), '');
  return {
    // Without a level it is what older versions of the library write: the whole file.
    compression: config.compression ? (config.compression_level ?? 'chunk') : 'none',
    leaves: leavesOf(config.data_format, config.data_spec ?? null),
    chunks: chunks.map(({ filename, chunk_bytes, chunk_size }, i) => {
      const unsafe = whyUnsafe(encodePath(filename));
      if (unsafe !== null) {
        throw malformed(
          `chunks[${i}].filename is ${JSON.stringify(filename)}, which is not allowed: ${unsafe}`,
        );
      }
      return { path: filename, bytes: chunk_bytes, samples: chunk_size };
    }),
  };
}

/** How torch's pytree writes a node: a leaf has no type. */
interface SpecNode {
  readonly type: string | null;
  readonly context: string | null;
  readonly children_spec: readonly SpecNode[];
}

const specNodeSchema: z.ZodType<SpecNode> = z.object({
  type: z.string().nullable(),
  context: z.string().nullable(),
  get children_spec() {
    return z.array(specNodeSchema);
  },
});

const specSchema = z.tuple([z.literal(1), specNodeSchema]);
const keysSchema = z.array(z.union([z.string(), z.number()]).transform(String));

const DICTS = new Set(['builtins.dict', 'collections.OrderedDict', 'collections.defaultdict']);
const SEQUENCES = new Set(['builtins.list', 'builtins.tuple']);

function leavesOf(formats: readonly string[], spec: string | null): Leaf[] {
  const root =
    spec === null ? null : checked(specSchema, parseJson(spec, 'config.data_spec'), 'config.data_spec')[1];
  const names = root === null ? formats.map((_, i) => [String(i)]) : [...leafNames(root, [])];
  if (names.length !== formats.length) {
    throw malformed(
      `config.data_format has ${formats.length} entries, and config.data_spec ${names.length} leaves`,
    );
  }
  const leaves = names.map((parts, i) => ({
    name: parts.length === 0 ? '0' : parts.join('/'),
    nested: parts.length > 1,
    format: formats[i] as string,
  }));
  const seen = new Set<string>();
  const twice = leaves.find(({ name }) => seen.size === seen.add(name).size);
  if (twice) throw malformed(`config.data_spec has ${JSON.stringify(twice.name)} twice`);
  return leaves;
}

function* leafNames(
  { type, context, children_spec }: SpecNode,
  above: readonly string[],
): Generator<string[]> {
  if (type === null) return yield [...above];
  const keys = DICTS.has(type) ? dictKeys(type, context) : children_spec.map((_, i) => String(i));
  if (!DICTS.has(type) && !SEQUENCES.has(type)) {
    throw malformed(
      `config.data_spec has a ${JSON.stringify(type)}: samples are dicts, tuples, lists or single values`,
    );
  }
  if (keys.length !== children_spec.length)
    throw malformed('config.data_spec has a dict with more or fewer keys than values');
  for (const [i, child] of children_spec.entries()) yield* leafNames(child, [...above, keys[i] as string]);
}

function dictKeys(type: string, context: string | null): string[] {
  const parsed = parseJson(context ?? '', 'config.data_spec');
  // A defaultdict's context has its factory before the keys.
  const keys = type === 'collections.defaultdict' && Array.isArray(parsed) ? parsed[1] : parsed;
  return checked(keysSchema, keys, 'config.data_spec');
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed(where === '' ? 'it is not JSON' : `${where} is not JSON`);
  }
}

function checked<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = tryParse(schema, value);
  if (parsed === null) throw malformed(`${where} is nested too deep`);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0] as z.core.$ZodIssue;
  const path = [where, ...issue.path.map((part) => (typeof part === 'number' ? `[${part}]` : String(part)))]
    .filter((part) => part !== '')
    .join('.')
    .replaceAll('.[', '[');
  throw malformed(`${path === '' ? 'its content' : path}: ${issue.message}`);
}

/** null where the value is nested deeper than the stack is. */
function tryParse<T>(schema: z.ZodType<T>, value: unknown) {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function malformed(reason: string): CropstreamError {
  return failure('DATASET_MALFORMED', { path: INDEX_FILE, reason });
}
