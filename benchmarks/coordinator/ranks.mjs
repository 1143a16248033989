// A process of trainers without memory or pixels: each attaches over a connection of its own, takes what is announced
// for fetched, and yields it at once or at a given pace.
import { randomUUID } from 'node:crypto';
import { CLIENT_OPTIONS, CoordinatorClient, PROTOCOL_VERSION } from '@cropstream/protocol';
import { credentials } from '@grpc/grpc-js';

const [target, rankCount, windowSteps] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

/** Milliseconds from the credit for a chunk to the news that it is ready, since the last question. */
let waits = [];
/** Milliseconds between two yields of one rank; 0: at once. */
let pace = 0;

class Rank {
  #nextStep = 0;
  #info = null;
  #mayYieldAt = 0;
  #timer = null;
  /** Chunks that were announced, by step. */
  #held = new Map();
  /** When the credit for a step was sent. */
  #asked = new Map();

  constructor(rank, attached) {
    const options = { ...CLIENT_OPTIONS, 'grpc.use_local_subchannel_pool': 1 };
    const client = new CoordinatorClient(target, credentials.createInsecure(), options);
    this.call = client.attach();
    this.call.on('error', (error) => {
      console.error(`rank ${rank}: ${error.message}`);
      process.exit(1);
    });
    this.call.on('data', ({ message }) => {
      if (message.$case === 'ready') this.#ready(message.value);
      if (message.$case === 'attached') {
        this.#info = message.value.run;
        attached();
      }
    });
    for (let step = 0; step < windowSteps; step++) this.#asked.set(step, performance.now());
    const value = {
      protocolVersion: PROTOCOL_VERSION,
      run: 'bench',
      runDigest: '',
      consumer: 'bench',
      rank,
      worldSize: rankCount,
      takeover: false,
      allowUneven: false,
      process: randomUUID(),
      host: 'localhost',
      pid: process.pid,
      progress: this.#progress(),
    };
    this.call.write({ message: { $case: 'attach', value } });
  }

  #ready({ chunk }) {
    const { stepsPerEpoch, globalBatchSize } = this.#info;
    const step = Number(chunk.epoch * stepsPerEpoch + chunk.first / globalBatchSize);
    const asked = this.#asked.get(step);
    if (asked === undefined) return;
    this.#asked.delete(step);
    waits.push(performance.now() - asked);
    this.#held.set(step, chunk);
    this.#yield();
  }

  #yield() {
    while (this.#held.has(this.#nextStep)) {
      const now = performance.now();
      if (pace > 0 && now < this.#mayYieldAt) {
        this.#timer ??= setTimeout(() => {
          this.#timer = null;
          this.#yield();
        }, this.#mayYieldAt - now);
        return;
      }
      // Ranks that are late do not hurry afterwards: a trainer does not either.
      if (pace > 0) this.#mayYieldAt = Math.max(this.#mayYieldAt + pace, now);
      this.#held.delete(this.#nextStep);
      this.#asked.set(this.#nextStep + windowSteps, now);
      this.#nextStep++;
      this.call.write({ message: { $case: 'progress', value: this.#progress() } });
    }
  }

  /** Yields at this pace from now on, beginning somewhere within it: trainers of many runs keep no time together. */
  keepPace() {
    this.#mayYieldAt = performance.now() + Math.random() * pace;
  }

  #progress() {
    return {
      nextStep: BigInt(this.#nextStep),
      creditChunks: windowSteps,
      creditBytes: BigInt(Number.MAX_SAFE_INTEGER),
      held: [...this.#held.values()],
      waitedSeconds: 0,
      elapsedSeconds: 0,
    };
  }
}

let left = rankCount;
const ranks = Array.from({ length: rankCount }, (_, rank) => {
  return new Rank(rank, () => {
    left--;
    if (left === 0) process.send({ attached: rankCount });
  });
});

process.on('message', (question) => {
  if (question.chunksPerSecond !== undefined) {
    pace = question.chunksPerSecond === 0 ? 0 : (1000 * rankCount) / question.chunksPerSecond;
    for (const rank of ranks) rank.keepPace();
  }
  process.send({ waits });
  waits = [];
});
process.on('disconnect', () => process.exit());
