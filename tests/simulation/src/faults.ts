import { DEFAULT_OWNER } from '@cropstream/runtime';
import type { Fleet } from './fleet.js';
import type { FaultKind } from './scenario.js';
import type { Job, RankSlot } from './trainers.js';

/** A worker may hang for so long after the last fault: chunks are hedged before that, and nobody waits for it. */
export const HANGS_ON_MS = 24_000;

/** Kills, stops, pauses and cuts whole parts at random moments, until the scenario's hostile time is over. */
export class Faults {
  constructor(
    private readonly fleet: Fleet,
    private readonly jobs: readonly Job[],
  ) {}

  start(): void {
    const { world } = this.fleet;
    const { clock, chance, scenario } = world;
    const { kinds, everyMs } = scenario.hostility;
    clock.timer(scenario.hostileMs, () => {
      world.hostile = false;
      world.log?.('--- no more faults');
    });
    const next = () => {
      clock.timer(chance.faults.spread(everyMs / 10, everyMs * 3), () => {
        if (!world.hostile) return;
        if (kinds.length > 0) this.#strike(chance.faults.pick(kinds));
        next();
      });
    };
    next();
  }

  #strike(kind: FaultKind): void {
    const { fleet, jobs } = this;
    const { world, network, server } = fleet;
    const { counts, scenario } = world;
    const dice = world.chance.faults;
    const living = <T>(all: readonly (T | null)[]): T[] => all.filter((one): one is T => one !== null);
    const some = <T>(all: readonly T[]): T | undefined => (all.length > 0 ? dice.pick(all) : undefined);
    const pauseMs = () => (dice.happens(0.1) ? dice.spread(5_000, 15_000) : dice.spread(50, 5_000));
    const worker = some(living(fleet.workers));
    const coordinator = some(living(fleet.coordinators));
    const slot: RankSlot | undefined = some(jobs.flatMap(({ slots }) => slots).filter(({ done }) => !done));
    switch (kind) {
      case 'crash worker':
      case 'crash coordinator':
      case 'crash trainer': {
        const part = {
          'crash worker': worker,
          'crash coordinator': coordinator,
          'crash trainer': slot?.current,
        };
        counts.crashes++;
        part[kind]?.part.crash('at a random moment');
        break;
      }
      case 'pause worker':
      case 'pause coordinator':
      case 'pause trainer': {
        const part = {
          'pause worker': worker,
          'pause coordinator': coordinator,
          'pause trainer': slot?.current,
        };
        counts.pauses++;
        part[kind]?.part.pause(pauseMs());
        break;
      }
      case 'hang worker': {
        if (!worker) break;
        counts.hangs++;
        const until = Math.min(
          world.clock.now() + dice.spread(1_000, 40_000),
          scenario.hostileMs + HANGS_ON_MS,
        );
        worker.disk.hangsUntil = Math.max(worker.disk.hangsUntil, until);
        world.log?.(`${worker.part.name} hangs until ${Math.round(worker.disk.hangsUntil)}`);
        break;
      }
      case 'stop worker':
        if (!worker?.part.running) break;
        world.log?.(`${worker.part.name} is told to stop`);
        worker.part.enter(() => {
          void worker.worker
            .drain(dice.spread(100, 3_000))
            .then(() => worker.worker.close())
            .then(() => worker.part.crash('as it is done'));
        });
        break;
      case 'stop coordinator':
        if (!coordinator?.part.running) break;
        world.log?.(`${coordinator.part.name} is told to stop`);
        coordinator.part.enter(() => {
          void coordinator.coordinator.stop().then(() => {
            // What was sent last still goes out.
            coordinator.part.clock.timer(100, () => coordinator.part.crash('as it is done'));
          });
        });
        break;
      case 'take over':
        slot?.start(true);
        break;
      case 'cut streams':
        for (const stream of [...network.streams]) if (dice.happens(0.5)) stream.cut('with others');
        break;
      case 'outage':
        server.outage(
          dice.spread(20, 4_000),
          dice.happens(0.5) ? dice.spread(10, 1_000) : 0,
          dice.happens(0.3),
        );
        break;
      case 'lose run': {
        const { name } = dice.pick(scenario.runs);
        world.log?.(`the server forgets ${name}`);
        void server.run('closeRun', [DEFAULT_OWNER, name]);
        break;
      }
      case 'restart job': {
        const job = dice.pick(jobs);
        const { run, phases, allowUneven } = job.scenario;
        const batch = run.spec.global_batch_size;
        const sizes = [1, 2, 3, 4].filter((w) => (allowUneven ? w <= batch : batch % w === 0));
        job.restart(dice.happens(0.5) ? dice.pick(sizes) : (phases[0]?.worldSize ?? 1));
        break;
      }
    }
  }
}
