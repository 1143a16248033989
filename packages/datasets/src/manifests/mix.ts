/**
 * The manifest of several datasets drawn from as one: sample ids are the first dataset's, then the second's, and so on. How
 * often each is drawn from is the spec's. Its binary form, little-endian:
 *
 *     8 bytes   "CSMIXED1": magic and version
 *     u32       bytes of the header H, padding included
 *     u32       0
 *     H bytes   UTF-8 JSON {"parts": [{"samples", "bytes"}], "header"}, padded with spaces to a multiple of 8
 *     ...       each part's manifest in its binary form, padded with zeros to a multiple of 8
 *     32 bytes  the digest: SHA-256 of all that stands before it
 */
import * as z from 'zod';
import {
  ALIGNMENT,
  alignedBytes,
  DIGEST_BYTES,
  digestOf,
  headerJson,
  headerSchema,
  malformed,
  padded,
  parseJson,
  sealed,
  storedDigest,
} from './header.js';
import {
  checkSampleId,
  type Manifest,
  type ManifestFacts,
  type ManifestHeader,
  type SampleField,
} from './manifest.js';

export const MIX_MAGIC = Buffer.from('CSMIXED1', 'latin1');
const FIXED_BYTES = MIX_MAGIC.length + 8;
export const MIX = 'mix';
/** Which of the datasets a sample is of, from 0, unless they have a field of that name. */
const DATASET_FIELD: SampleField = { name: 'dataset', dtype: 'int64' };

const mixSchema = z.strictObject({
  parts: z.array(z.strictObject({ samples: z.int().min(1), bytes: z.int().min(1) })).min(1),
  header: headerSchema,
});

export class Mix implements Manifest {
  readonly source = MIX;
  /** The datasets' classes, each name once, in the order of their first appearance. */
  readonly classes: readonly string[];
  /** The fields that all of them have, and `dataset`. */
  readonly fields: readonly SampleField[];
  readonly settings = {};
  readonly length: number;
  /** The first sample of each part, and the number of all. */
  readonly #starts: readonly number[];
  readonly #encoded: readonly Uint8Array[];
  /** Whether `dataset` is the number of a sample's dataset: not all of them have a field of that name. */
  readonly #numbersDatasets: boolean;
  #digest: string | undefined;

  constructor(
    readonly parts: readonly Manifest[],
    decoded: { readonly digest: string; readonly encoded: readonly Uint8Array[] } | null = null,
  ) {
    this.classes = [...new Set(parts.flatMap(({ classes }) => classes))];
    const common = commonFields(parts);
    this.#numbersDatasets = common.every(({ name }) => name !== DATASET_FIELD.name);
    this.fields = this.#numbersDatasets ? [...common, DATASET_FIELD] : common;
    const starts = [0];
    for (const { length } of parts) starts.push((starts.at(-1) as number) + length);
    this.#starts = starts;
    this.length = starts.at(-1) as number;
    this.#encoded = decoded?.encoded ?? parts.map((part) => part.encode());
    this.#digest = decoded?.digest;
  }

  get digest(): string {
    this.#digest ??= digestOf(this.#parts()).toString('hex');
    return this.#digest;
  }

  get bytes(): number {
    return this.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * The part of a sample, and its id there.
   *
   * @throws RangeError for a sample that it does not have
   */
  locate(sampleId: number): { readonly part: number; readonly id: number } {
    checkSampleId(sampleId, this.length);
    const part = this.#starts.findLastIndex((start) => start <= sampleId);
    return { part, id: sampleId - (this.#starts[part] as number) };
  }

  /** The labels that a part's own labels become; null where they stay as they are. */
  labelsOf(part: number): readonly number[] | null {
    if (this.classes.length === 0) return null;
    return (this.parts[part] as Manifest).classes.map((name) => this.classes.indexOf(name));
  }

  /** A sample's fields in the mix, of those that it has in its part. */
  fieldsOf(
    part: number,
    own: Readonly<Record<string, string | number>>,
  ): Readonly<Record<string, string | number>> {
    const all = this.#numbersDatasets ? { ...own, [DATASET_FIELD.name]: part } : own;
    return Object.fromEntries(this.fields.map(({ name }) => [name, all[name] as string | number]));
  }

  pathOf(sampleId: number): string {
    const { part, id } = this.locate(sampleId);
    return (this.parts[part] as Manifest).pathOf(id);
  }

  encode(): Uint8Array {
    return sealed(this.#parts());
  }

  /**
   * @param decodePart decodes a part's manifest
   * @throws DATASET_MALFORMED for bytes that `encode` did not write
   */
  static decode(input: Uint8Array, decodePart: (bytes: Uint8Array) => Manifest): Mix {
    const bytes = alignedBytes(input);
    const start = readStart(bytes);
    if (start === null) throw malformed('it is too short');
    const end = bytes.length - DIGEST_BYTES;
    const encoded: Uint8Array[] = [];
    let at = start.end;
    for (const part of start.parts) {
      encoded.push(bytes.subarray(at, at + part.bytes));
      const next = at + Math.ceil(part.bytes / ALIGNMENT) * ALIGNMENT;
      if (bytes.subarray(at + part.bytes, next).some((byte) => byte !== 0))
        throw malformed('its padding is not zero');
      at = next;
    }
    if (at !== end) throw malformed('its length is not what its parts say');
    const mix = new Mix(encoded.map(decodePart), { digest: storedDigest(bytes), encoded });
    // What its header says follows from its parts, in one spelling.
    if (!mix.#header().equals(bytes.subarray(0, start.end)))
      throw malformed('its header is not that of its parts');
    return mix;
  }

  #parts(): Uint8Array[] {
    return [this.#header(), ...this.#encoded.map((part) => padded(part, 0))];
  }

  /** All that stands before the parts. */
  #header(): Buffer {
    const parts = this.parts.map(({ length }, i) => ({
      samples: length,
      bytes: (this.#encoded[i] as Uint8Array).length,
    }));
    const json = padded(Buffer.from(JSON.stringify({ parts, header: headerJson(this) }), 'utf8'), ' ');
    const fixed = Buffer.alloc(FIXED_BYTES);
    MIX_MAGIC.copy(fixed);
    fixed.writeUInt32LE(json.length, MIX_MAGIC.length);
    return Buffer.concat([fixed, json]);
  }
}

/** As `readFileFacts`. */
export function readMixFacts(bytes: Uint8Array): ManifestFacts | null {
  const start = readStart(bytes);
  if (start === null) return null;
  const parts = start.parts.map(({ samples }) => samples);
  return { ...start.header, samples: parts.reduce((sum, samples) => sum + samples, 0), parts };
}

function readStart(input: Uint8Array) {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  if (bytes.length < FIXED_BYTES) return null;
  if (!bytes.subarray(0, MIX_MAGIC.length).equals(MIX_MAGIC)) throw malformed('it is no mix');
  if (bytes.readUInt32LE(MIX_MAGIC.length + 4) !== 0) throw malformed('it has a reserved word');
  const end = FIXED_BYTES + bytes.readUInt32LE(MIX_MAGIC.length);
  if (bytes.length < end) return null;
  const parsed = mixSchema.safeParse(parseJson(bytes.subarray(FIXED_BYTES, end)));
  if (!parsed.success) throw malformed(`its header is not valid: ${z.prettifyError(parsed.error)}`);
  const header: ManifestHeader = parsed.data.header;
  return { end, parts: parsed.data.parts, header };
}

function commonFields([first, ...others]: readonly Manifest[]): SampleField[] {
  return (first?.fields ?? []).filter((field) =>
    others.every(({ fields }) =>
      fields.some(({ name, dtype }) => name === field.name && dtype === field.dtype),
    ),
  );
}
