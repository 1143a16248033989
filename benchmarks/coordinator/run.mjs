import { RedisStore } from '@cropstream/broker/redis';
import { FileManifestBuilder } from '@cropstream/datasets';
import { epochPlan } from '@cropstream/schedule';
import { parseSpec, runDigest } from '@cropstream/spec';

/** Samples a chunk, as by default. */
export const CHUNK = 64;
/** Of the made-up dataset: a coordinator works by position, so their number costs it nothing. */
const SAMPLES = 1 << 17;

/** What a simulated worker needs of the run. */
export function planOf(record) {
  const { global_batch_size: globalBatchSize, drop_last: dropLast } = JSON.parse(record.specJson);
  return epochPlan({ samples: SAMPLES, globalBatchSize, dropLast });
}

/** Opens a run of which each step is one chunk a rank, over a dataset that nobody reads. */
export async function openRun({ url, ranks }) {
  const builder = new FileManifestBuilder({
    source: 'image-folder',
    classes: ['one'],
    fields: [{ name: 'path', dtype: 'string' }],
  });
  for (let i = 0; i < SAMPLES; i++) builder.add(Buffer.from(`one/${i}.jpg`), 100_000, 0);
  const manifest = builder.build();
  const dataset = { source: 'image-folder', url: '/made-up' };
  const written = { name: 'bench', dataset, recipe: 'dino', seed: 1, global_batch_size: ranks * CHUNK };
  const spec = parseSpec(written, { samples: SAMPLES });
  const store = await RedisStore.open({ url });
  await store.putManifest(manifest.digest, manifest.encode());
  await store.openRun({
    owner: 'default',
    name: spec.name,
    digest: runDigest(spec, manifest.digest),
    specJson: JSON.stringify(spec),
    manifestDigest: manifest.digest,
    chunkSize: CHUNK,
    fingerprint: 'bench',
    openedAt: Date.now(),
    state: 'active',
  });
  await store.close();
}
