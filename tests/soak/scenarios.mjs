import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { comesTrue } from '../processes.mjs';
import { randomOf } from '../random.mjs';
import { drawExtremes, drawSmall, EXTREMES } from './images.mjs';
import { fitLine, judge, median, ownMebibytes } from './own-memory.mjs';
import { pull, serve } from './processes.mjs';
import { isIdle, OUTBOX_USED, watch } from './watch.mjs';

const MIB = 1 << 20;
const BATCH = 32;
const VIEWS = {
  global: { count: 2, size: 64, scale: [0.4, 1] },
  local: { count: 4, size: 32, scale: [0.05, 0.4] },
};
/** The same of twice the size, of which the least outbox holds fewer than a huge prefetch asks for. */
const LARGE_VIEWS = {
  global: { ...VIEWS.global, size: 128 },
  local: { ...VIEWS.local, size: 64 },
};
/** A chunk of BATCH samples, and here a batch is one chunk. */
const CHUNK_MEBIBYTES = (BATCH * 3 * (2 * 64 ** 2 + 4 * 32 ** 2)) / MIB;
const LARGE_CHUNK_MEBIBYTES = 4 * CHUNK_MEBIBYTES;
/** Compute threads of every service here. */
const THREADS = 2;
/** WebAssembly memory that each of them keeps for the next image: the worker's `keepBytes`. */
const KEPT_MEBIBYTES = 64;
/** Of what was let go: 128 MiB may await the main thread's next collection, and the C library holds some pieces back. */
const SLACK_MEBIBYTES = 192;
/** What the engine's old generation grows by between two collections: a line may be fitted to one such tooth. */
const TOOTH_MEBIBYTES = 48;
/** The part of a chunk that a batch may leave behind: what is looked for is a chunk for each batch. */
const LEAK = 1 / 20;
/** `serve` takes no less: its largest permitted chunk must fit. */
const LEAST_OUTBOX = 256 * MIB;
/** How long a service may take to let go of everything after a trainer vanished: leases, patience, a beat. */
const IDLE_MS = 20_000;

function specFile({ folder }, name, images, more = {}) {
  const path = join(folder, `${name}.json`);
  const dataset = { source: 'image-folder', url: images };
  writeFileSync(
    path,
    JSON.stringify({ name, dataset, seed: 7, global_batch_size: BATCH, views: VIEWS, ...more }),
  );
  return path;
}

async function smallImages({ folder }) {
  const images = join(folder, 'small');
  await drawSmall(join(images, 'class'), 400);
  return images;
}

const check = (what, value, bound, unit) => ({ what, value, bound, unit, ok: value <= bound });

/** Memory that does not grow over the second half by more than a tooth and a share of a chunk for each batch. */
function flat(who, curve, batches) {
  const verdict = judge(curve, batches);
  const judged = batches / 2;
  const bound = TOOTH_MEBIBYTES + judged * CHUNK_MEBIBYTES * LEAK;
  return { who, ...verdict, check: check(`${who}: growth`, (verdict.slope * judged) / 1000, bound, 'MiB') };
}

const outboxCheck = ({ bytes, limit }) => check('outbox: the most it held', bytes / MIB, limit / MIB, 'MiB');

/**
 * Draws a run's first steps undisturbed, at full speed: the stream that every other one must repeat, and the
 * milliseconds that making a batch takes, the start of the process left out.
 */
async function reference(service, folder, steps) {
  const trainer = pull(service, join(folder, 'reference.txt'), ['--steps', String(steps)]);
  await comesTrue(() => trainer.yielded().length > 0, 30_000);
  const first = trainer.yielded().length;
  const began = performance.now();
  await trainer.done;
  return { lines: trainer.yielded(), making: (performance.now() - began) / (steps - first) };
}

/** A training step that is longer than making a batch. */
const slowStep = (making) => Math.min(60, Math.ceil(making * 1.5));

const differing = (lines, from, expected) => lines.filter((line, i) => line !== expected[from + i]).length;

/** A trainer whose steps take longer than making a batch does. */
export async function slowTrainer(context) {
  const { folder, size } = context;
  const steps = size.slow;
  const service = await serve(specFile(context, 'slow', await smallImages(context)));
  const { making } = await reference(service, folder, size.calibrate);
  const stepMs = slowStep(making);
  const trainer = pull(service, join(folder, 'slow.txt'), [
    '--steps',
    String(steps),
    '--step-ms',
    String(stepMs),
  ]);
  const watching = watch({
    service,
    trainer: () => trainer,
    batches: () => trainer.yielded().length,
    everyMs: size.sampleMs,
  });
  await trainer.done;
  const { curves, outbox } = await watching.stop();
  await service.stop();
  const rows = [flat('serve', curves.serve, steps), flat('trainer', curves.trainer, steps)];
  return {
    name: 'a slow trainer',
    detail: `${steps} batches, a step of ${stepMs} ms where making a batch takes ${making.toFixed(1)} ms`,
    curves,
    rows,
    checks: [...rows.map((row) => row.check), outboxCheck(outbox)],
  };
}

/** A trainer that is killed or stopped again and again, and goes on where it was. */
export async function absentTrainer(context) {
  const { folder, size, seed } = context;
  const steps = size.absent;
  const random = randomOf(seed);
  const service = await serve(specFile(context, 'absent', await smallImages(context)));
  await comesTrue(async () => (await service.metrics())(OUTBOX_USED) > 0, IDLE_MS);
  const reserved = (await service.metrics())(OUTBOX_USED);
  const { lines: expected } = await reference(service, folder, steps);

  const count = { kills: 0, stops: 0, wrong: 0, left: 0 };
  let done = 0;
  let drawn = 0;
  let trainer;
  const watching = watch({
    service,
    trainer: () => trainer,
    batches: () => drawn + (trainer?.yielded().length ?? 0),
    everyMs: size.sampleMs,
  });
  for (let turn = 0; done < steps; turn++) {
    const from = done;
    const flags = ['--from-step', String(from), '--steps', String(steps - from), '--step-ms', '5'];
    trainer = pull(service, join(folder, `absent-${turn}.txt`), flags);
    let living = true;
    void trainer.gone.then(() => {
      living = false;
    });
    await comesTrue(() => !living || trainer.yielded().length > 0, 30_000);
    if (turn < size.turns) {
      await sleep(size.stay * (0.5 + random()));
      // By turns, so that a short run has both.
      if (living && turn % 2 === 1) {
        count.stops++;
        trainer.signal('SIGSTOP');
        await sleep(size.stop * (0.3 + random()));
        trainer.signal('SIGCONT');
        await sleep(size.stay * random());
      }
      if (living && trainer.signal('SIGKILL')) count.kills++;
    }
    await trainer.done;
    const lines = trainer.yielded();
    count.wrong += differing(lines, from, expected);
    done += lines.length;
    drawn += lines.length;
    trainer = undefined;
    if (!(await comesTrue(() => isIdle(service, reserved), IDLE_MS))) count.left++;
  }
  const { curves, outbox } = await watching.stop();
  await service.stop();
  const row = flat('serve', curves.serve, steps);
  return {
    name: 'a trainer that goes away and returns',
    detail: `${steps} batches, killed ${count.kills} times, stopped ${count.stops} times`,
    curves,
    rows: [row],
    checks: [
      row.check,
      outboxCheck(outbox),
      check('batches unlike those of an undisturbed trainer', count.wrong, 0, ''),
      check('absences that left jobs or chunks behind', count.left, 0, ''),
    ],
  };
}

/** Images from one pixel to the limit, in one dataset: the same batch of giants once an epoch. */
export async function everySize(context) {
  const { folder, size } = context;
  const { epochs, batchesAnEpoch, maxPixels } = size.sizes;
  const images = join(folder, 'sizes');
  await drawSmall(join(images, 'a'), (batchesAnEpoch / 2) * BATCH);
  await drawExtremes(join(images, 'b'), maxPixels);
  await drawSmall(join(images, 'c'), (batchesAnEpoch / 2) * BATCH - EXTREMES);
  const limits = { max_pixels: maxPixels };
  const service = await serve(specFile(context, 'sizes', images, { shuffle: false, limits }));
  const steps = epochs * batchesAnEpoch;
  const trainer = pull(service, join(folder, 'sizes.txt'), ['--steps', String(steps), '--step-ms', '15']);
  const batches = () => trainer.yielded().length;
  const watching = watch({ service, trainer: () => trainer, batches, everyMs: size.sampleMs / 5 });
  await comesTrue(() => batches() >= batchesAnEpoch / 4, 60_000);
  const before = ownMebibytes(service.pid);
  await trainer.done;
  const after = ownMebibytes(service.pid);
  const { curves, outbox } = await watching.stop();
  await service.stop();

  // An epoch's floor: the least it holds between its giants and the next ones.
  const floors = Array.from({ length: epochs }, (_, epoch) => {
    const within = curves.serve.filter((point) => Math.floor(point.batches / batchesAnEpoch) === epoch);
    return within.length === 0 ? null : [epoch, Math.min(...within.map(({ mebibytes }) => mebibytes))];
  }).filter((floor) => floor !== null);
  const later = floors.slice(size.sizes.warmUp);
  // As packed RGB.
  const giant = (maxPixels * 3) / MIB;
  const kept = THREADS * KEPT_MEBIBYTES + SLACK_MEBIBYTES;
  const row = judge(curves.serve, steps);
  return {
    name: 'images from one pixel to the limit',
    detail: `${steps} batches, ${epochs} epochs with six images of ${(maxPixels / 1e6).toFixed(0)} megapixels each`,
    curves,
    rows: [{ who: 'serve', ...row }, flat('trainer', curves.trainer, steps)],
    checks: [
      check(
        'serve: growth of an epoch’s floor',
        fitLine(later).slope,
        giant * size.sizes.leak,
        'MiB an epoch',
      ),
      check(
        'serve: floor, above the level before any giant',
        median(later.map(([, y]) => y)) - before,
        kept + 2 * giant,
        'MiB',
      ),
      check('serve: after the last batch, above that level', after - before, kept + 2 * giant, 'MiB'),
      check('serve: peak, above that level', row.peak - before, kept + (THREADS + 1) * 5 * giant, 'MiB'),
      outboxCheck(outbox),
    ],
  };
}

/** A trainer that asks far ahead, of a service with hardly any outbox, and stops reading. */
export async function hugePrefetch(context) {
  const { folder, size } = context;
  const { steps, prefetch, freezeMs } = size.prefetch;
  const spec = specFile(context, 'prefetch', await smallImages(context), { views: LARGE_VIEWS });
  const service = await serve(spec, ['--outbox-bytes', String(LEAST_OUTBOX)]);
  const { lines: expected, making } = await reference(service, folder, steps);
  const started = (await service.metrics())('worker_chunks_made_total');
  const trainer = pull(service, join(folder, 'prefetch.txt'), [
    ...['--steps', String(steps), '--prefetch', String(prefetch), '--step-ms', String(slowStep(making))],
  ]);
  const watching = watch({
    service,
    trainer: () => trainer,
    batches: () => trainer.yielded().length,
    everyMs: size.sampleMs,
  });
  const made = async () => (await service.metrics())('worker_chunks_made_total') - started;
  await comesTrue(() => trainer.yielded().length > 0, 30_000);
  trainer.signal('SIGSTOP');
  await sleep(freezeMs / 2);
  const early = await made();
  await sleep(freezeMs / 2);
  const late = await made();
  const window = trainer.yielded().length + prefetch;
  trainer.signal('SIGCONT');
  await trainer.done;
  const { curves, outbox } = await watching.stop();
  await service.stop();
  const rows = [flat('serve', curves.serve, steps), flat('trainer', curves.trainer, steps)];
  return {
    name: 'a huge prefetch on the least outbox',
    detail: `${steps} batches, ${prefetch} asked for ahead, an outbox of ${LEAST_OUTBOX / MIB} MiB`,
    curves,
    rows,
    checks: [
      ...rows.map((row) => row.check),
      check('trainer: peak', rows[1].peak, 300 + 1.25 * prefetch * LARGE_CHUNK_MEBIBYTES, 'MiB'),
      outboxCheck(outbox),
      check('chunks made for a trainer that reads nothing', late - early, 0, ''),
      check('of its window, made before', late, window, 'chunks'),
      check(
        'batches unlike those of an undisturbed trainer',
        differing(trainer.yielded(), 0, expected),
        0,
        '',
      ),
    ],
  };
}

export const SCENARIOS = {
  slow: slowTrainer,
  absent: absentTrainer,
  sizes: everySize,
  prefetch: hugePrefetch,
};

/** What is run: everything, in some minutes each; or enough to meet a leak of a chunk a batch, in half a minute. */
export const SIZES = {
  full: {
    slow: 2000,
    calibrate: 200,
    absent: 2000,
    turns: 24,
    stay: 1500,
    stop: 6000,
    sizes: { epochs: 20, batchesAnEpoch: 100, maxPixels: 50_000_000, warmUp: 10, leak: 1 / 8 },
    prefetch: { steps: 2000, prefetch: 256, freezeMs: 6000 },
    sampleMs: 500,
  },
  quick: {
    slow: 400,
    calibrate: 40,
    absent: 120,
    turns: 3,
    stay: 300,
    stop: 1500,
    sizes: { epochs: 5, batchesAnEpoch: 12, maxPixels: 12_000_000, warmUp: 1, leak: 2 },
    prefetch: { steps: 140, prefetch: 128, freezeMs: 5000 },
    sampleMs: 100,
  },
};
