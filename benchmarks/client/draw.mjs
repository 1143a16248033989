// The TypeScript client: draws steps and says what they took, as one JSON object.
//   node benchmarks/client/draw.mjs --target HOST:PORT --warmup 4 --steps 40
import { parseArgs } from 'node:util';
import { MultiCropLoader } from '@cropstream/client';

const { values } = parseArgs({
  options: { target: { type: 'string' }, warmup: { type: 'string' }, steps: { type: 'string' } },
});
const warmup = Number(values.warmup);
const endStep = warmup + Number(values.steps);
const loader = await MultiCropLoader.open({ target: values.target, endless: true, endStep });
let began = 0;
let cpu;
let bytes = 0;
let drawn = 0;
for await (const batch of loader) {
  if (drawn >= warmup) bytes += batch.byteLength;
  drawn += 1;
  if (drawn === warmup) {
    began = performance.now();
    cpu = process.cpuUsage();
  }
}
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({ bytes, seconds, cpuSeconds: (user + system) / 1e6 }));
await loader.close();
