// A process that uses a cache: reads at random, checks every byte, and keeps what it did not find. Says `ready` once it
// has begun; when its stdin has ended, and it has found and evicted something, what it did.
//   node cache-user.mjs FOLDER MAX_BYTES KEYS
import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { newStorageCounts, ReadCache } from '@cropstream/datasets';

const [folder, maxBytes, keys] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const counts = newStorageCounts();
const cache = new ReadCache({ folder, maxBytes, counts, warn: (reason) => console.error(reason) });
let ending = false;
process.stdin.once('end', () => {
  ending = true;
});
process.stdin.resume();

/** What a read of this number has: its size and bytes follow from the number. */
function bytesOf(number) {
  const block = createHash('sha256').update(String(number)).digest();
  return Buffer.concat(Array.from({ length: 1 + (block[0] << 4) }, () => block)).subarray(block[1] % 32);
}

async function use() {
  while (!(ending && counts.cacheHits > 0 && counts.cacheEvictions > 0)) {
    const number = Math.floor(Math.random() * keys);
    const expected = bytesOf(number);
    const key = {
      storage: 'made-up',
      path: `${number}`,
      version: undefined,
      offset: 0,
      length: expected.length + 1,
    };
    const found = await cache.get(key);
    if (found === null) await cache.put(key, expected);
    else if (!expected.equals(found)) throw new Error(`${number} came back wrong`);
    await turn();
  }
}

console.log('ready');
await Promise.all(Array.from({ length: 8 }, use));
console.log(JSON.stringify(counts));
