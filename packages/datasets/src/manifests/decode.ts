import { FILE_MAGIC, readFileFacts } from './file-format.js';
import { FileManifest } from './file-manifest.js';
import { malformed } from './header.js';
import type { Manifest, ManifestFacts } from './manifest.js';
import { MIX_MAGIC, Mix, readMixFacts } from './mix.js';
import { readSelectionFacts, SELECTION_MAGIC, Selection } from './selection.js';
import { readShardFacts, SHARD_MAGIC, ShardManifest } from './shard-manifest.js';

interface Kind {
  readonly magic: Buffer;
  decode(bytes: Uint8Array): Manifest;
  facts(start: Uint8Array): ManifestFacts | null;
}

const KINDS: readonly Kind[] = [
  { magic: FILE_MAGIC, decode: (bytes) => FileManifest.decode(bytes), facts: readFileFacts },
  { magic: SHARD_MAGIC, decode: (bytes) => ShardManifest.decode(bytes), facts: readShardFacts },
  { magic: SELECTION_MAGIC, decode: (bytes) => Selection.decode(bytes), facts: readSelectionFacts },
  { magic: MIX_MAGIC, decode: (bytes) => Mix.decode(bytes, decodeManifest), facts: readMixFacts },
];
const MAGIC_BYTES = 8;

/**
 * The manifest of its binary form, which it goes on reading (from shared memory, too, so that threads share one
 * copy): the bytes must not change afterwards. Bytes from elsewhere are for `checkManifest` first.
 *
 * @throws DATASET_MALFORMED for bytes that no manifest's `encode` wrote
 */
export function decodeManifest(bytes: Uint8Array): Manifest {
  return kindOf(bytes).decode(bytes);
}

/**
 * What stands at the beginning of a manifest, without its samples; null where `start` holds too little of it.
 *
 * @throws DATASET_MALFORMED for what no manifest begins with
 */
export function readFacts(start: Uint8Array): ManifestFacts | null {
  return start.byteLength < MAGIC_BYTES ? null : kindOf(start).facts(start);
}

/** The facts of a manifest that is here. */
export function factsOf(manifest: Manifest): ManifestFacts {
  const { length: samples, source, classes, fields, settings } = manifest;
  const facts = { samples, source, classes, fields, ...(Object.keys(settings).length > 0 && { settings }) };
  return manifest instanceof Mix ? { ...facts, parts: manifest.parts.map(({ length }) => length) } : facts;
}

function kindOf(bytes: Uint8Array): Kind {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(MAGIC_BYTES, bytes.byteLength));
  const kind = KINDS.find(({ magic }) => magic.equals(start));
  if (kind) return kind;
  const family = KINDS.find(({ magic }) => magic.subarray(0, -1).equals(start.subarray(0, -1)));
  if (!family) throw malformed('it is no manifest');
  throw malformed(
    `it is of another version of Cropstream (${start.toString('latin1')}; this one reads ${family.magic.toString('latin1')})`,
  );
}
