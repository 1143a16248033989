import { crc32 } from 'node:zlib';
import type { ChunkRequest, MadeChunk } from '@cropstream/chunks';
import type { Batch } from '@cropstream/client';
import type { RunMaker } from '@cropstream/crop-worker';
import { failure } from '@cropstream/errors';
import { type Clock, sleep } from '@cropstream/runtime';
import { locate, type Order, rankRange } from '@cropstream/schedule';
import { orderOf } from '@cropstream/spec';
import { planOf, ROW_BYTES, type RunScenario, SAMPLE_BYTES } from './scenario.js';
import type { World } from './world.js';

/** The bytes of a sample's view: a function of run, epoch and sample, as real pixels are. */
function viewByte(run: RunScenario, epoch: number, id: number, at: number): number {
  return (
    (Math.imul(id + 1, 0x9e3779b1) ^ Math.imul(epoch + 1, 0x85ebca6b) ^ (run.spec.seed * 31 + at * 7)) & 0xff
  );
}

const labelOf = (id: number) => BigInt(id % 7);

/** What no chunk's memory may be read as once it was given back. */
const RELEASED = 0xdd;

function makeChunk(run: RunScenario, { epoch, indices }: ChunkRequest): MadeChunk {
  const samples = indices.length;
  const payload = new Uint8Array(samples * ROW_BYTES);
  const numbers = new DataView(payload.buffer);
  for (const [row, id] of indices.entries()) {
    for (let at = 0; at < SAMPLE_BYTES; at++) payload[row * SAMPLE_BYTES + at] = viewByte(run, epoch, id, at);
    numbers.setBigInt64(samples * SAMPLE_BYTES + row * 8, BigInt(id), true);
    numbers.setBigInt64(samples * (SAMPLE_BYTES + 8) + row * 8, labelOf(id), true);
  }
  return {
    samples,
    columns: [
      { name: 'view', dtype: 'uint8', shape: [3, 2, 2], bytes: samples * SAMPLE_BYTES },
      { name: '_indices', dtype: 'int64', shape: [], bytes: samples * 8 },
      { name: 'labels', dtype: 'int64', shape: [], bytes: samples * 8 },
    ],
    payloadBytes: payload.length,
    crc32: crc32(payload),
    substitutions: [],
    payload,
    capacity: payload.length,
    timings: { decode: 0, resize: 0, color: 0, blur: 0, pack: 0 },
    timeline: { read: null, compute: null },
    release: () => payload.fill(RELEASED),
  };
}

/** What a worker reads from: nothing comes of it before this moment of the world's clock. */
export interface Disk {
  hangsUntil: number;
}

/** The maker of a simulated worker: takes its time, and fails now and then. */
export function makerOf(world: World, run: RunScenario, clock: Clock, disk: Disk): RunMaker {
  const { chance, scenario, counts } = world;
  return {
    plan: planOf(run),
    chunkSize: run.spec.chunk_size,
    bytesFor: (samples) => samples * ROW_BYTES,
    async make(request, signal) {
      const { makeFails, slowChunk } = scenario.hostility;
      const slow = world.hostile && chance.network.happens(slowChunk) ? chance.network.spread(5, 100) : 1;
      const fails = world.hostile && chance.network.happens(makeFails);
      await sleep(clock, scenario.worker.makeMs * (0.5 + chance.network.uniform()) * slow, signal);
      while (!signal.aborted && disk.hangsUntil > world.clock.now()) {
        await sleep(clock, disk.hangsUntil - world.clock.now(), signal);
      }
      if (signal.aborted) throw failure('CANCELLED', { what: 'making a chunk' });
      if (fails) throw failure('SAMPLE_IO', { path: 'simulated.jpg', reason: 'the disk is away' });
      counts.made++;
      return makeChunk(run, request);
    },
    close: async () => {},
  };
}

/** The delivered stream of one run, computed apart from everything that is under test. */
export class Expected {
  readonly #orders = new Map<number, Order>();

  constructor(readonly run: RunScenario) {}

  /** What is wrong with a batch as that rank's next one; null: nothing. */
  problem(batch: Batch, globalStep: number, rank: number, worldSize: number): string | null {
    if (batch.globalStep !== globalStep) return `step ${batch.globalStep} came, ${globalStep} was next`;
    const plan = planOf(this.run);
    const { epoch, step } = locate(plan, globalStep);
    if (batch.epoch !== epoch || batch.step !== step) {
      return `step ${globalStep} says it is step ${batch.step} of epoch ${batch.epoch}`;
    }
    const { first, last } = rankRange(plan, step, rank, worldSize);
    if (batch.indices.length !== last - first) {
      return `step ${globalStep} has ${batch.indices.length} rows, not ${last - first}`;
    }
    const order = this.#order(epoch);
    const pixels = batch.view('view').data;
    for (let row = 0; row < last - first; row++) {
      const id = order.at(first + row);
      if (batch.indices[row] !== BigInt(id)) {
        return `row ${row} of step ${globalStep} is sample ${batch.indices[row]}, not ${id}`;
      }
      if (batch.labels[row] !== labelOf(id)) return `row ${row} of step ${globalStep} has another label`;
      for (let at = 0; at < SAMPLE_BYTES; at++) {
        if (pixels[row * SAMPLE_BYTES + at] !== viewByte(this.run, epoch, id, at)) {
          return `row ${row} of step ${globalStep} has other pixels`;
        }
      }
    }
    return null;
  }

  #order(epoch: number): Order {
    const { spec, samples } = this.run;
    let order = this.#orders.get(epoch);
    if (!order) {
      order = orderOf(spec, { samples }, epoch);
      this.#orders.set(epoch, order);
    }
    return order;
  }
}
