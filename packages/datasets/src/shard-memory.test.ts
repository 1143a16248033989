import { describe, expect, it } from 'vitest';
import { chunkOf, int64, item, litdataFolder } from '../test-support/litdata.js';
import { datasetSchema, indexDataset, locationOf, openDataset, ShardMemory } from './index.js';
import { compress } from './sources/litdata/zstd.js';

const IMAGE_BYTES = 1000;
const SAMPLES = 4;
const SHARDS = 6;
/** The number of samples, where they begin and the last ends, and of each the lengths of its two values and these. */
const CHUNK_BYTES = 4 + 4 * (SAMPLES + 1) + SAMPLES * (2 * 4 + IMAGE_BYTES + 8);

/** Chunks that are decompressed as a whole for one of their samples. */
async function compressedFolder(): Promise<string> {
  const chunks = Array.from({ length: SHARDS }, async (_, shard) => {
    const items = Array.from({ length: SAMPLES }, () => item(Buffer.alloc(IMAGE_BYTES, shard), int64(shard)));
    const content = chunkOf(items);
    expect(content.length).toBe(CHUNK_BYTES);
    const bytes = Buffer.from(await compress(content));
    return { bytes, samples: SAMPLES };
  });
  return litdataFolder(await Promise.all(chunks), { config: { compression: 'zstd' } });
}

async function opened(urls: readonly string[], memory: ShardMemory) {
  const datasets = urls.map((url) => ({ source: 'litdata' as const, url }));
  const config = datasetSchema.parse(
    datasets.length === 1 ? datasets[0] : { source: 'mix', mode: 'repeat', datasets },
  );
  const { manifest } = await indexDataset(config);
  return { manifest, reader: openDataset(locationOf(config), manifest, { memory }) };
}

describe('ShardMemory', () => {
  it('bounds what all readers that share it keep, and changes nothing that they read', async () => {
    const urls = [await compressedFolder(), await compressedFolder()];
    // Two thirds are contents': room for three chunks of twelve.
    const memory = new ShardMemory(Math.ceil(1.5 * 3 * CHUNK_BYTES));
    const readers = [await opened([urls[0]!], memory), await opened(urls, memory)];
    for (const { manifest, reader } of readers) {
      for (let id = 0; id < manifest.length; id++) {
        const { encoded, label } = await reader.read(id);
        expect(encoded).toEqual(new Uint8Array(IMAGE_BYTES).fill(label));
        expect(memory.usedBytes).toBeLessThanOrEqual(memory.limitBytes);
      }
      expect(memory.contents.usedBytes).toBe(3 * CHUNK_BYTES);
    }
    await readers[1]!.reader.close();
    expect(memory.contents.usedBytes).toBe(0);
    await readers[0]!.reader.close();
    expect(memory.usedBytes).toBe(0);
  });

  it('keeps one content that is larger than all of it', async () => {
    const memory = new ShardMemory(0);
    const { reader } = await opened([await compressedFolder()], memory);
    await reader.read(0);
    await reader.read(SAMPLES);
    expect(memory.contents.usedBytes).toBe(CHUNK_BYTES);
    await reader.close();
  });
});
