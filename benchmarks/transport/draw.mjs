// Draws steps of a service that has every chunk ready, from the first call to the last batch, and says what that took:
//   node draw.mjs client | bare TARGET WORKER STEPS CHUNK_BYTES
// `bare` is a stream of grpc-js's own for each chunk, as many at once as the client has, whose messages are dropped.
import { MultiCropLoader } from '@cropstream/client';
import { CLIENT_OPTIONS, WorkerClient } from '@cropstream/protocol';
import { credentials } from '@grpc/grpc-js';
import { BATCH, CHUNK, FETCHES } from './sizes.mjs';

const [how, target, workerId, steps, chunkBytes] = process.argv.slice(2);
const count = Number(steps);

async function byClient() {
  const loader = await MultiCropLoader.open({ target, endless: true, endStep: count });
  let bytes = 0;
  for await (const batch of loader) {
    bytes += batch.byteLength;
    // As a trainer that has it on its device by now.
    batch.release();
  }
  await loader.close();
  return bytes;
}

async function bare() {
  const client = new WorkerClient(target, credentials.createInsecure(), CLIENT_OPTIONS);
  const { path, requestSerialize } = client.fetchChunk;
  const asIs = (message) => message;
  const fetch = (number) =>
    new Promise((resolve, reject) => {
      const first = BigInt(number * CHUNK);
      const chunk = { runDigest: '0'.repeat(64), epoch: 0n, first, last: first + BigInt(CHUNK) };
      const request = { chunk, workerId, attempt: 1, offset: 0n };
      const call = client.makeServerStreamRequest(path, requestSerialize, asIs, request);
      call.on('data', () => {});
      call.on('error', reject);
      call.on('end', resolve);
    });
  const chunks = (count * BATCH) / CHUNK;
  let next = 0;
  const lane = async () => {
    while (next < chunks) await fetch(next++);
  };
  await Promise.all(Array.from({ length: FETCHES }, lane));
  client.close();
  return chunks * Number(chunkBytes);
}

const cpu = process.cpuUsage();
const began = performance.now();
const bytes = await (how === 'client' ? byClient() : bare());
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({ bytes, seconds, cpu_seconds: (user + system) / 1e6 }));
process.exit(0);
