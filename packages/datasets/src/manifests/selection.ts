/**
 * Some samples of a manifest of shards, in any order: a spec's `subset`. (Of samples that are files a manifest of their own
 * is made.) Its binary form, little-endian:
 *
 *     8 bytes   "CSSELEC1": magic and version
 *     u64       samples N
 *     N u64     ids in the whole
 *     ...       the whole's manifest in its binary form
 *     32 bytes  the digest: SHA-256 of all that stands before it
 */
import { alignedBytes, bytesOf, DIGEST_BYTES, digestOf, malformed, sealed, storedDigest } from './header.js';
import { checkSampleId, type Manifest, type ManifestFacts, type SampleField } from './manifest.js';
import { readShardFacts, ShardManifest } from './shard-manifest.js';

export const SELECTION_MAGIC = Buffer.from('CSSELEC1', 'latin1');
const FIXED_BYTES = SELECTION_MAGIC.length + 8;

export class Selection implements Manifest {
  readonly #encodedWhole: Uint8Array;
  #digest: string | undefined;

  /** @param ids each an integer in [0, whole.length); twice in it is a sample twice */
  constructor(
    readonly whole: ShardManifest,
    private readonly ids: BigUint64Array,
    decoded: { readonly digest: string; readonly encodedWhole: Uint8Array } | null = null,
  ) {
    this.#digest = decoded?.digest;
    this.#encodedWhole = decoded?.encodedWhole ?? whole.encode();
  }

  get source(): string {
    return this.whole.source;
  }

  get classes(): readonly string[] {
    return this.whole.classes;
  }

  get fields(): readonly SampleField[] {
    return this.whole.fields;
  }

  get settings(): Readonly<Record<string, string>> {
    return this.whole.settings;
  }

  get length(): number {
    return this.ids.length;
  }

  get bytes(): number {
    return this.whole.bytes;
  }

  get digest(): string {
    this.#digest ??= digestOf(this.#parts()).toString('hex');
    return this.#digest;
  }

  /** The id in the whole. */
  idOf(sampleId: number): number {
    checkSampleId(sampleId, this.length);
    return Number(this.ids[sampleId]);
  }

  pathOf(sampleId: number): string {
    return this.whole.pathOf(this.idOf(sampleId));
  }

  encode(): Uint8Array {
    return sealed(this.#parts());
  }

  /** @throws DATASET_MALFORMED for bytes that `encode` did not write */
  static decode(input: Uint8Array): Selection {
    const bytes = alignedBytes(input);
    const samples = samplesOf(bytes);
    const ids = FIXED_BYTES + 8 * samples;
    if (bytes.length < ids + DIGEST_BYTES) throw malformed('it is too short');
    const view = new BigUint64Array(bytes.buffer, bytes.byteOffset + FIXED_BYTES, samples);
    const encodedWhole = bytes.subarray(ids, bytes.length - DIGEST_BYTES);
    const whole = ShardManifest.decode(encodedWhole);
    for (const id of view) {
      if (id >= BigInt(whole.length)) throw malformed(`it selects sample ${id} of ${whole.length}`);
    }
    return new Selection(whole, view, { digest: storedDigest(bytes), encodedWhole });
  }

  #parts(): Uint8Array[] {
    const fixed = Buffer.alloc(FIXED_BYTES);
    SELECTION_MAGIC.copy(fixed);
    fixed.writeBigUInt64LE(BigInt(this.length), SELECTION_MAGIC.length);
    return [fixed, bytesOf(this.ids), this.#encodedWhole];
  }
}

/** As `readFileFacts`. */
export function readSelectionFacts(start: Uint8Array): ManifestFacts | null {
  if (start.byteLength < FIXED_BYTES) return null;
  const samples = samplesOf(start);
  const ids = FIXED_BYTES + 8 * samples;
  const whole = start.byteLength > ids ? readShardFacts(start.subarray(ids)) : null;
  return whole && { ...whole, samples };
}

function samplesOf(start: Uint8Array): number {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  if (bytes.length < FIXED_BYTES) throw malformed('it is too short');
  if (!bytes.subarray(0, SELECTION_MAGIC.length).equals(SELECTION_MAGIC))
    throw malformed('it is no selection');
  const samples = bytes.readBigUInt64LE(SELECTION_MAGIC.length);
  if (samples > 2n ** 32n) throw malformed('it selects more than 2^32 samples');
  return Number(samples);
}
