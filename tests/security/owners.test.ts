import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { MultiCropLoader } from '@cropstream/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../processes.mjs';
import { SecuredFleet, tokenOf, type Who } from './fleet.js';

/** Owners of one fleet, and tokens that come and go while it works. */
let fleet: SecuredFleet;

beforeAll(async () => {
  fleet = await SecuredFleet.start();
  await fleet.draw();
}, 120_000);

afterAll(() => fleet?.stop());

/** Writes the file of tokens anew, as an operator does. */
function change(edit: (file: { tokens: { name: string }[] }) => object): void {
  const path = fleet.file('tokens.yaml');
  writeFileSync(`${path}.new`, JSON.stringify(edit(JSON.parse(readFileSync(path, 'utf8')))));
  renameSync(`${path}.new`, path);
}

async function ask(path: string, who: Who): Promise<Response> {
  return fetch(`${fleet.http}${path}`, { headers: { authorization: `Bearer ${tokenOf(who)}` } });
}

test('an equal run of another owner is another run', async () => {
  const theirs = await fleet.draw('stranger');
  expect(theirs).toBe(await fleet.draw());
  const runs = async (who: Who) =>
    ((await (await ask('/api/v1/runs', who)).json()) as { items: { owner: string }[] }).items;
  expect((await runs('trainer')).map(({ owner }) => owner)).toEqual(['lab']);
  expect((await runs('platform')).map(({ owner }) => owner).sort()).toEqual(['lab', 'others']);
});

test('a token that is revoked ends its streams, and no other', async () => {
  const open = (who: Who, consumer: string) =>
    MultiCropLoader.open({
      ...{ target: fleet.target, token: tokenOf(who), run: 'lab-run', consumer },
      ...{ rank: 0, worldSize: 1, timeoutMs: 20_000, prefetch: { steps: 1 } },
    });
  const [revoked, kept] = [await open('trainer', 'revoked'), await open('operator', 'kept')];
  const going = kept[Symbol.asyncIterator]();
  await going.next();
  change((file) => ({ ...file, tokens: file.tokens.filter(({ name }) => name !== 'trainer') }));
  let drawn = 0;
  const drawOn = async () => {
    // Epoch after epoch.
    for (;;) for await (const _ of revoked) drawn++;
  };
  await expect(drawOn()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  expect(drawn).toBeGreaterThan(0);
  await until('the API knows it too', async () => (await ask('/api/v1/runs', 'trainer')).status === 401);
  expect((await going.next()).done).toBe(false);
  await Promise.all([revoked.close(), kept.close()]);
  const logs = `${fleet.coordinator.log()}${fleet.worker.log()}`;
  expect(logs).toContain('"revoked":["trainer"]');
  expect(logs).not.toContain(createHash('sha256').update(tokenOf('trainer')).digest('hex'));
}, 60_000);
