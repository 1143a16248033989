import { BLOCK_BYTES, TarError } from '../../formats/tar.js';
import { isNeed, type TarMember, walkTar } from '../../formats/tar-walk.js';
import { type ImageChoice, imageOf, kindOf, splitName } from './names.js';
import { isField } from './shard-index.js';

/** Of a member that is read as a field. */
export const MAX_FIELD_BYTES = 1024 * 1024;

/** What a member that is no scalar has in its place, so that it can be said what was left out. */
export const NOT_SCALAR: unique symbol = Symbol('not a scalar');
export type RawValue = string | number | null | typeof NOT_SCALAR;

/** A sample as its shard has it. */
export interface RawSample {
  readonly key: string;
  readonly image: Uint8Array<ArrayBuffer>;
  /** Scalars by name: members by their extension, and what is in a `.json` object. */
  readonly values: ReadonlyMap<string, RawValue>;
}

/** The parts of a sample's span: where its image and its fields' members are. */
export interface SpanParts {
  readonly key: string;
  readonly image: TarMember;
  readonly fields: ReadonlyMap<string, TarMember>;
}

/**
 * Finds the members of the one sample in a span.
 *
 * @param span from its first header on; it may be cut after what is looked for
 * @param length of the whole span
 * @throws TarError where the span is not one sample's
 */
export function partsOf(span: Uint8Array, length: number, choice: ImageChoice): SpanParts {
  const members = new Map<string, TarMember>();
  let key: string | null = null;
  const walk = walkTar(0, length);
  let step = walk.next();
  while (!step.done) {
    if (isNeed(step.value)) {
      const { offset, length } = step.value;
      if (offset + length > span.length) break;
      step = walk.next(span.subarray(offset, offset + length));
      continue;
    }
    const name = splitName(step.value.name);
    if (name !== null) {
      key ??= name.key;
      if (name.key !== key) throw new TarError('members of two samples are where one was');
      members.set(name.extension, step.value);
    }
    step = walk.next();
  }
  const image = imageOf(members.keys(), choice);
  if (key === null || image === undefined) throw new TarError('its image is not where it was');
  const fields = new Map([...members].filter(([extension]) => extension !== image && isField(extension)));
  return { key, image: members.get(image) as TarMember, fields };
}

/**
 * Reads a sample's image and fields.
 *
 * @throws TarError where a field's member is not what its name says
 */
export function readParts(span: Uint8Array<ArrayBuffer>, { key, image, fields }: SpanParts): RawSample {
  const values = new Map<string, RawValue>();
  const objects: Record<string, unknown>[] = [];
  for (const [extension, { name, offset, size }] of fields) {
    if (size > MAX_FIELD_BYTES) {
      throw new TarError(
        `${JSON.stringify(name)} has ${size} bytes, and a field has ${MAX_FIELD_BYTES} at most`,
      );
    }
    const text = utf8(span.subarray(offset, offset + size), name);
    if (kindOf(extension) !== 'json') values.set(extension, scalarOf(extension, text));
    else {
      const value = parsed(text, name);
      if (isObject(value) && !extension.includes('.')) objects.push(value);
      else values.set(extension, rawOf(value));
    }
  }
  // A member's own name goes before one in an object.
  for (const object of objects) {
    for (const [name, value] of Object.entries(object)) if (!values.has(name)) values.set(name, rawOf(value));
  }
  return { key, image: span.slice(image.offset, image.offset + image.size), values };
}

/** A start of a span that surely has the headers before its image, as far as samples usually go. */
export const HEAD_BYTES = 16 * BLOCK_BYTES;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

function utf8(bytes: Uint8Array, name: string): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new TarError(`${JSON.stringify(name)} is not UTF-8`);
  }
}

function parsed(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TarError(
      `${JSON.stringify(name)} is not JSON: ${error instanceof Error ? error.message : error}`,
    );
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const INTEGER = /^\s*[-+]?\d{1,16}\s*$/;

/** Names of classes may stand where a number could: such text stays text. */
const scalarOf = (extension: string, text: string): string | number =>
  kindOf(extension) === 'integer' && INTEGER.test(text) ? Number(text) : text;

function rawOf(value: unknown): RawValue {
  if (typeof value === 'string' || typeof value === 'number' || value === null) return value;
  return typeof value === 'boolean' ? Number(value) : NOT_SCALAR;
}
