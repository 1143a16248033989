import { randomUUID } from 'node:crypto';
import { chunkName } from '@cropstream/broker';
import { exampleReady, exampleRun, exampleWorker } from '@cropstream/broker/contract';
import { RedisStore } from '@cropstream/broker/redis';
import { describe, expect, it } from 'vitest';

const C = '0-0-4';

/** A test with the stores of two processes. */
function withTwo(name: string, body: (one: RedisStore, two: RedisStore) => Promise<void>): void {
  it(name, async () => {
    const options = { url: process.env.REDIS_URL ?? '', prefix: `test-${randomUUID()}` };
    const [one, two] = await Promise.all([RedisStore.open(options), RedisStore.open(options)]);
    try {
      await body(one, two);
    } finally {
      await Promise.all([one.close(), two.close()]);
    }
  });
}

describe.concurrent('the stores of several processes', () => {
  withTwo('know the same runs, whoever opened or closed them', async (one, two) => {
    expect(await two.runs()).toEqual([]);
    await one.openRun(exampleRun());
    expect(await two.runs()).toEqual([exampleRun()]);
    await two.openRun(exampleRun({ specJson: '{"seed":42,"moved":true}' }));
    expect(await one.runByName('o1', 'one')).toMatchObject({ specJson: '{"seed":42,"moved":true}' });
    await two.closeRun('o1', 'one');
    expect(await one.runs()).toEqual([]);
    await expect(one.claim('o1.d1', C, 1)).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
  });

  withTwo('let one of them have a name', async (one, two) => {
    const runs = [one, two].map((store, i) => store.openRun(exampleRun({ digest: `d${i}` })));
    const answers = await Promise.all(runs);
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(answers[0]?.run).toEqual(answers[1]?.run);
  });

  withTwo('see at once the chunk of a worker that has only just come', async (one, two) => {
    await one.openRun(exampleRun());
    await one.workers();
    await one.claim('o1.d1', C, 9);
    await two.beat(exampleWorker(), 60_000);
    await two.publish('o1.d1', exampleReady(C, 1));
    expect(await one.chunkStates('o1.d1', [C])).toMatchObject([{ state: 'ready' }]);
  });

  withTwo('claim each chunk once', async (one, two) => {
    await one.openRun(exampleRun());
    const chunks = Array.from({ length: 50 }, (_, i) => chunkName({ epoch: 0, first: i, last: i + 1 }));
    const claims = [one, two].flatMap((store) => chunks.map((chunk) => store.claim('o1.d1', chunk, 30)));
    const claimed = (await Promise.all(claims)).filter((answer) => 'claimed' in answer);
    expect(claimed).toHaveLength(30);
  });

  withTwo('count attempts of very many chunks in bounded memory, never back', async (one) => {
    await one.openRun(exampleRun());
    const claim = async (first: number) => {
      const chunk = chunkName({ epoch: 0, first, last: first + 1 });
      const answer = await one.claim('o1.d1', chunk, 1_000);
      if (!('claimed' in answer)) return expect.unreachable(`not claimed: ${JSON.stringify(answer)}`);
      await one.release('o1.d1', chunk, answer.claimed.attempt, 'abandoned');
      return answer.claimed.attempt;
    };
    expect([await claim(0), await claim(0), await claim(1)]).toEqual([1, 2, 1]);
    for (let from = 2; from < 17_000; from += 500) {
      const attempts = await Promise.all(Array.from({ length: 500 }, (_, i) => claim(from + i)));
      expect(new Set(attempts)).toEqual(new Set([1]));
    }
    // Both were forgotten: they go on above the most that any of those had.
    expect([await claim(0), await claim(1), await claim(1)]).toEqual([3, 3, 4]);
    expect(await claim(20_000)).toBe(1);
  });
});
