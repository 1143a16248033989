import { crc32 } from 'node:zlib';
import type { ChunkHeader, Column, RunInfo } from '@cropstream/protocol';
import { epochPlan, locate, rankRange } from '@cropstream/schedule';
import { keyOf, type PositionRange } from '../core/slots.js';

/** A tiny run whose chunks are a pure function of their positions, as the real ones are. */
export interface FakeRunOptions {
  readonly samples?: number;
  readonly globalBatchSize?: number;
  readonly chunkSize?: number;
  readonly dropLast?: boolean;
}

export interface FakeChunk {
  readonly header: Omit<ChunkHeader, 'attempt' | 'workerId'>;
  readonly payload: Buffer;
}

const GLOBAL_SHAPE = [3, 2, 2];
const LOCAL_SHAPE = [3, 1, 1];
const SAMPLE_BYTES = 12 + 3 * 4;
export const FAKE_PARAM_COLUMNS = 18;

export class FakeRun {
  readonly info: RunInfo;

  constructor({ samples = 40, globalBatchSize = 8, chunkSize = 3, dropLast = true }: FakeRunOptions = {}) {
    const plan = epochPlan({ samples, globalBatchSize, dropLast });
    this.info = {
      owner: 'default',
      name: 'fake',
      digest: 'd0'.repeat(32),
      specJson: JSON.stringify({ name: 'fake', seed: 1 }),
      manifestDigest: 'a1'.repeat(32),
      fingerprint: 'f00d',
      samples: BigInt(samples),
      globalBatchSize: BigInt(globalBatchSize),
      dropLast,
      stepsPerEpoch: BigInt(plan.stepsPerEpoch),
      chunkSize,
      sampleBytes: BigInt(SAMPLE_BYTES),
      views: [
        { name: 'global_0', dtype: 'uint8', shape: GLOBAL_SHAPE },
        { name: 'local_0', dtype: 'float32', shape: LOCAL_SHAPE },
      ],
      fields: [
        { name: 'path', dtype: 'string' },
        { name: 'score', dtype: 'float64' },
      ],
      classes: ['cat', 'dog'],
      mean: [0.5, 0.5, 0.5],
      std: [0.25, 0.25, 0.25],
    };
  }

  get plan() {
    return epochPlan({
      samples: Number(this.info.samples),
      globalBatchSize: Number(this.info.globalBatchSize),
      dropLast: this.info.dropLast,
    });
  }

  /** The sample ids of one rank's slice of a global step. */
  idsOf(globalStep: number, rank: number, worldSize: number): number[] {
    const { epoch, step } = locate(this.plan, globalStep);
    const { first, last } = rankRange(this.plan, step, rank, worldSize);
    return Array.from({ length: last - first }, (_, row) => this.idAt(epoch, first + row));
  }

  idAt(epoch: number, position: number): number {
    return (position * 7 + epoch * 11) % Number(this.info.samples);
  }

  globalBytes(epoch: number, id: number): number[] {
    return Array.from({ length: 12 }, (_, i) => (id * 13 + epoch * 5 + i) & 0xff);
  }

  chunk(range: PositionRange): FakeChunk {
    const { epoch, first, last } = range;
    const rows = last - first;
    const ids = Array.from({ length: rows }, (_, row) => this.idAt(epoch, first + row));
    const parts: [Omit<Column, 'bytes'>, Buffer][] = [
      [
        { name: 'global_0', dtype: 'uint8', shape: GLOBAL_SHAPE },
        Buffer.from(ids.flatMap((id) => this.globalBytes(epoch, id))),
      ],
      [
        { name: 'local_0', dtype: 'float32', shape: LOCAL_SHAPE },
        floats(ids.flatMap((id) => [id, epoch, 0.5])),
      ],
      [{ name: '_indices', dtype: 'int64', shape: [] }, longs(ids)],
      [{ name: 'labels', dtype: 'int64', shape: [] }, longs(ids.map((id) => id % 2))],
      [{ name: 'path', dtype: 'string', shape: [] }, strings(ids.map(pathOf))],
      [{ name: 'score', dtype: 'float64', shape: [] }, doubles(ids.map((id) => id / 4))],
      [
        { name: 'params/global_0', dtype: 'float32', shape: [FAKE_PARAM_COLUMNS] },
        floats(ids.flatMap((id) => [id, ...new Array<number>(FAKE_PARAM_COLUMNS - 1).fill(Number.NaN)])),
      ],
    ];
    const payload = Buffer.concat(parts.map(([, bytes]) => bytes));
    const substituted = ids.indexOf(3);
    return {
      payload,
      header: {
        chunk: {
          runDigest: this.info.digest,
          epoch: BigInt(epoch),
          first: BigInt(first),
          last: BigInt(last),
        },
        samples: rows,
        columns: parts.map(([column, bytes]) => ({ ...column, bytes: BigInt(bytes.length) })),
        payloadBytes: BigInt(payload.length),
        crc32: crc32(payload),
        substitutions:
          substituted < 0
            ? []
            : [
                {
                  row: substituted,
                  originalIndex: 39n,
                  deliveredIndex: 3n,
                  path: keyOf(range),
                  code: 'SAMPLE_UNDECODABLE',
                  reason: 'truncated',
                },
              ],
      },
    };
  }
}

export function pathOf(id: number): string {
  return id % 5 === 0 ? `ünï/${id}.jpg` : `images/${id}.jpg`;
}

function floats(values: readonly number[]): Buffer {
  return Buffer.from(Float32Array.from(values).buffer);
}

function doubles(values: readonly number[]): Buffer {
  return Buffer.from(Float64Array.from(values).buffer);
}

function longs(values: readonly number[]): Buffer {
  return Buffer.from(BigInt64Array.from(values, BigInt).buffer);
}

function strings(values: readonly string[]): Buffer {
  return Buffer.concat(
    values.flatMap((value) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(value));
      return [length, Buffer.from(value)];
    }),
  );
}
