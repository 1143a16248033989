import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDemoImages } from '../demo/demo-images.js';
import { exitCodeOf, failureBlock } from '../failures.js';
import { createProgram } from '../program.js';
import { cropstream, cropstreamJson } from '../testing/cli.js';

let folder: string;
let data: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cropstream-cli-'));
  data = join(folder, 'data');
  await makeDemoImages(data, { count: 3 });
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const out = (name: string) => join(folder, name);

describe('outputs', () => {
  test.each<[string[], string]>([
    [['preview', '--out', 'nowhere/x.png'], 'no such file or directory'],
    [['stats', '--out', '.'], 'it is a folder'],
    [['index', '--out', 'data/boats/boats-00.jpg/x'], 'is not a folder'],
    [['replay', '--out', 'data/boats/boats-00.jpg/x'], 'is not a folder'],
    [['augment', '--out', 'data/boats/boats-00.jpg'], 'is not a folder'],
  ])('%j is refused before anything is computed', async ([command, ...flags], reason) => {
    const file = join(folder, flags[1] ?? '');
    // Nothing is looked at: the dataset is not there either.
    const refused = cropstream(command ?? '', '--data', out('nowhere'), '--out', file);
    await expect(refused).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      problem: expect.stringContaining(reason),
    });
  });

  test.runIf(existsSync('/dev/full'))('a disk that fills up is told as that', async () => {
    await expect(cropstream('preview', '--data', data, '--out', '/dev/full')).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      details: { path: '/dev/full', reason: 'no space left on device' },
    });
  });
});

describe('what is decided for the user is said', () => {
  const notes = async (...flags: string[]) => (await cropstream('spec', ...flags)).stderr;

  test('the recipe, where neither flags nor spec name one or views', async () => {
    expect(await notes('--data', data)).toContain('recipe: dino, the default of the command line');
    expect(await notes('--data', data, '--recipe', 'swav')).not.toContain('recipe:');
  });

  test('a source other than the spec’s, and a group that is nearly one of the recipe', async () => {
    const spec = out('slip.yaml');
    const dataset = { source: 'cifar10' };
    await writeFile(
      spec,
      JSON.stringify({ recipe: 'dino', dataset, views: { locals: { count: 10, size: 96 } } }),
    );
    const said = await notes('--spec', spec, '--data', data);
    expect(said).toMatch(/^data: .* as image-folder, not the spec's cifar10 \(a folder of images\)$/m);
    expect(said).toContain('note: views.locals is a new group beside local');
  });

  test('a folder of LitData chunks is known by its index', async () => {
    const chunks = out('chunks');
    await cropstream('convert', '--data', data, '--to', 'litdata', '--out', chunks);
    expect(await notes('--data', chunks)).toMatch(/^data: .* as litdata \(it has LitData's index\.json\)$/m);
    const listed = (await cropstreamJson('index', '--data', chunks)) as object;
    expect(listed).toMatchObject({ samples: 3, source: 'litdata' });
    await writeFile(join(data, 'index.json'), '{"a": 1}');
    expect(await notes('--data', data)).not.toContain('litdata');
    await rm(join(data, 'index.json'));
  });

  test('--labels none reads every image with label -1', async () => {
    expect(await cropstreamJson('index', '--data', data, '--labels', 'none')).toMatchObject({
      samples: 3,
      classes: [],
    });
  });

  test('help leaves out what changes nothing, and takes it all the same', async () => {
    const help = createProgram()
      .commands.find((command) => command.name() === 'index')
      ?.helpInformation();
    expect(help).toContain('--subset');
    for (const flag of ['--recipe', '--seed', '--no-shuffle', '--global-batch-size']) {
      expect(help).not.toContain(flag);
    }
    await cropstream('index', '--data', data, '--recipe', 'dino', '--seed', '3', '--no-shuffle');
  });
});

test('images none of which decodes are told as that', async () => {
  const bad = out('bad-images');
  await mkdir(bad);
  await writeFile(join(bad, 'a.jpg'), 'no image');
  for (const command of ['preview', 'stats']) {
    await expect(cropstream(command, '--data', bad, '--out', out('bad.png'))).rejects.toMatchObject({
      code: 'NO_GOOD_IMAGE',
      details: { count: 1 },
    });
  }
});

describe('errors', () => {
  test.each([
    [['replay', '--step', '3', '--epoch', '1'], /'--step <n>' cannot be used with option '--epoch <n>'/],
    [['preview', '--images', '3', '--epochs', '3'], /'--images <n>' cannot be used with option '--epochs/],
    [['augment', '--image', 'x.jpg'], /'--image <file>' cannot be used with option '--data <place>'/],
  ])('%j contradicts itself', async (args, message) => {
    await expect(cropstream(...args, '--data', data)).rejects.toThrow(message);
  });

  test('a flag that says nothing without another is refused', async () => {
    await expect(cropstream('replay', '--data', data, '--step-in-epoch', '1')).rejects.toMatchObject({
      details: { field: '--epoch' },
    });
    await expect(cropstream('preview', '--data', data, '--view', 'local_0')).rejects.toMatchObject({
      details: { field: '--effects' },
    });
  });

  test.each(['preview', 'augment'])('%s names a sample that there is not', async (command) => {
    const wrong = cropstream(command, '--data', data, '--index', '3', '--out', out('none'));
    await expect(wrong).rejects.toMatchObject({ details: { field: '--index', value: 3 } });
  });

  test('unknown flags suggest the right one', async () => {
    await expect(cropstream('preview', '--dta', 'x')).rejects.toThrow(CommanderError);
    await expect(cropstream('preview', '--dta', 'x')).rejects.toThrow(/Did you mean --data/);
  });

  test('a wrong value is asked for wrongly, a missing folder failed; both say what to do', async () => {
    const wrong = await cropstream('preview', '--data', data, '--recipe', 'dno').catch(
      (error: unknown) => error,
    );
    expect(exitCodeOf(wrong)).toBe(2);
    const missing = await cropstream('preview', '--data', out('nowhere')).catch((error: unknown) => error);
    expect(exitCodeOf(missing)).toBe(1);
    expect(missing).toMatchObject({ code: 'DATASET_NOT_FOUND' });
    expect(failureBlock(missing as Parameters<typeof failureBlock>[0])).toMatch(
      /^error: .*\n {2}help: .*\n {2}code: DATASET_NOT_FOUND$/,
    );
  });

  test('a command without a dataset says how to name one', async () => {
    await expect(cropstream('stats')).rejects.toMatchObject({
      code: 'SPEC_INCOMPLETE',
      details: { field: '--data' },
    });
  });
});
