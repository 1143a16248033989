// Trainers of one process as a lane, so that what they cost is apart from the service: node draw.mjs TARGET CLIENTS
// Each client is a rank; `images` is over all of them, and a round draws whole steps of them.
import { MultiCropLoader } from '@cropstream/client';
import { answerLines } from '../lane.mjs';

const [target, clients] = process.argv.slice(2);
const worldSize = Number(clients);
const ranks = await Promise.all(
  Array.from({ length: worldSize }, (_, rank) =>
    MultiCropLoader.open({ target, endless: true, rank, worldSize, consumer: `bench-${worldSize}` }),
  ),
);
const batches = ranks.map((loader) => loader[Symbol.asyncIterator]());

await answerLines('trainers', async (images) => {
  let drawn = 0;
  let bytes = 0;
  while (drawn < images) {
    const step = await Promise.all(batches.map(async (iterator) => (await iterator.next()).value));
    for (const batch of step) {
      drawn += batch.indices.length;
      bytes += batch.byteLength;
      // As a trainer that has it on its device by now.
      batch.release();
    }
  }
  return { drawn, bytes };
});
process.exit(0);
