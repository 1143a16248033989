// One TypeScript client's stream of ready batches beside a bare grpc-js stream of the same frames, both from the service of
// benchmarks/client, which costs next to nothing.
import { answerOf, fromRoot, startService } from '../processes.mjs';
import { measure, ratio } from '../statistics.mjs';
import { BATCH, CHUNK } from './sizes.mjs';

const STEPS = 40;

/** @param {{ rounds: number }} options */
export async function transport({ rounds }) {
  const service = await startService([
    fromRoot('benchmarks/client/fleet.mjs'),
    ...['--batch', String(BATCH), '--chunk', String(CHUNK)],
  ]);
  const { target, worker, chunkBytes } = service.ready;
  const draw = (how) =>
    answerOf([
      fromRoot('benchmarks/transport/draw.mjs'),
      how,
      target,
      worker,
      String(STEPS),
      String(chunkBytes),
    ]);
  const taken = { client: [], bare: [] };
  try {
    for (let round = 0; round < rounds; round++) {
      for (const how of round % 2 === 0 ? ['client', 'bare'] : ['bare', 'client'])
        taken[how].push(await draw(how));
    }
  } finally {
    await service.stop();
  }
  const rate = (all) => all.map(({ bytes, seconds }) => bytes / 1e6 / seconds);
  const cpu = (all) => all.map(({ bytes, cpu_seconds }) => cpu_seconds / (bytes / 1e9));
  const measures = {
    'TypeScript client': measure('MB/s', 'higher', rate(taken.client)),
    'bare grpc-js': measure('MB/s', 'higher', rate(taken.bare)),
    'TypeScript client, CPU': measure('s/GB', 'lower', cpu(taken.client)),
    'bare grpc-js, CPU': measure('s/GB', 'lower', cpu(taken.bare)),
    'client / bare': ratio('higher', rate(taken.client), rate(taken.bare)),
  };
  return { measures };
}
