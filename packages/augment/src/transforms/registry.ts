import { failure } from '@cropstream/errors';
import type { Normalization } from '@cropstream/kernels';
import { invalid, parseField } from '../validation.js';
import type { ViewParams } from '../views/params.js';
import { centerCrop } from './center-crop.js';
import { colorJitter } from './color-jitter.js';
import { gaussianBlur } from './gaussian-blur.js';
import { grayscale } from './grayscale.js';
import { horizontalFlip } from './horizontal-flip.js';
import { normalize } from './normalize.js';
import { randomResizedCrop } from './random-resized-crop.js';
import { resize } from './resize.js';
import { solarize } from './solarize.js';
import type { ResolvedTransform, Transform } from './transform.js';

/** Built in, in the order that most chains use. */
export const BUILT_IN: readonly Transform[] = [
  randomResizedCrop,
  resize,
  centerCrop,
  horizontalFlip,
  colorJitter,
  grayscale,
  gaussianBlur,
  solarize,
  normalize,
];

/** The open list of transforms: those built in and those registered where the service starts. */
export class TransformRegistry {
  readonly #byName = new Map<string, Transform>();
  readonly #byKey = new Map<string, Transform>();

  constructor(thirdParty: readonly Transform[] = []) {
    for (const transform of [...BUILT_IN, ...thirdParty]) {
      this.#byName.set(transform.name, transform);
      if (transform.key !== null) this.#byKey.set(transform.key, transform);
    }
  }

  get names(): string[] {
    return [...this.#byName.keys()];
  }

  /** `name@version` of each third-party transform: what else decides about pixels. */
  get versions(): string[] {
    const registered = [...this.#byName.values()].filter((transform) => transform.version !== undefined);
    return registered.map(({ name, version }) => `${name}@${version}`).sort();
  }

  /** @param field where the name stands, for the error TRANSFORM_UNKNOWN */
  get(name: string, field: string): Transform {
    const transform = this.#byName.get(name);
    if (transform !== undefined) return transform;
    throw failure('TRANSFORM_UNKNOWN', { field, value: JSON.stringify(name), known: this.names.join(', ') });
  }

  /** The parameters that say of transforms which are not in a chain that they were not applied. */
  absentFrom(chain: readonly ResolvedTransform[]): Partial<ViewParams> {
    const names = new Set(chain.map(({ name }) => name));
    const others = [...this.#byName.values()].filter(({ name }) => !names.has(name));
    return Object.assign({}, ...others.map(({ absent }) => absent));
  }

  /** The transform whose decision a parameter key holds. */
  ofKey(key: string): Transform | undefined {
    return this.#byKey.get(key);
  }

  /**
   * One entry of a `transforms` list, every field filled in.
   * @param entry `grayscale`, `{ grayscale: { p: 0.2 } }`, `{ center_crop: 224 }` or `{ name: grayscale, p: 0.2 }`
   */
  resolve(
    entry: TransformEntry,
    field: string,
    run: { readonly normalization: Normalization },
  ): ResolvedTransform {
    const { name, fields, at } = splitEntry(entry, field);
    const transform = this.get(name, field);
    const given =
      transform.scalar !== undefined && isScalar(fields) ? { [transform.scalar]: fields } : fields;
    const parsed = parseField(transform.schema, given ?? {}, at);
    return { name, ...(transform.complete?.(parsed, run) ?? parsed) };
  }
}

/** A transform as users write it. */
export type TransformEntry = string | Readonly<Record<string, unknown>>;

function splitEntry(entry: TransformEntry, field: string): { name: string; fields: unknown; at: string } {
  if (typeof entry === 'string') return { name: entry, fields: {}, at: field };
  if (typeof entry.name === 'string') {
    const { name, ...fields } = entry;
    return { name: entry.name, fields, at: field };
  }
  const [name, ...more] = Object.keys(entry);
  if (name === undefined || more.length > 0) {
    throw invalid(field, entry, "a transform's name, or a mapping with one name and its fields");
  }
  return { name, fields: entry[name], at: `${field}.${name}` };
}

/** Numbers and lists of them: a size alone. */
function isScalar(fields: unknown): boolean {
  return typeof fields === 'number' || Array.isArray(fields);
}

/** The name of an entry, without a look at its fields. */
export function entryName(entry: TransformEntry, field: string): string {
  return splitEntry(entry, field).name;
}
