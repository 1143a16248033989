import type { RunKey } from '@cropstream/broker';
import { type Fleet, RELAY_PLACES } from './fleet.js';
import { FINGERPRINT, ROW_BYTES } from './scenario.js';
import type { Job } from './trainers.js';

const EVERY_MS = 250;

interface Held {
  readonly heldBytes: number;
  readonly creditBytes: number;
}

/** Looks again and again whether everything is as small as was promised. */
export function watchMemory(fleet: Fleet, jobs: readonly Job[]): void {
  const { world, server } = fleet;
  const windows = jobs.reduce((sum, job) => sum + job.windowChunks, 0);
  const chunkBytes = ROW_BYTES * Math.max(...world.scenario.runs.map(({ spec }) => spec.chunk_size));
  const look = () => {
    for (const process of fleet.workers) {
      if (!process) continue;
      const { usedBytes, limitBytes } = process.worker.outbox;
      if (usedBytes > limitBytes) {
        world.violation(`${process.part.name} holds ${usedBytes} bytes in an outbox of ${limitBytes}`);
      }
    }
    for (const process of fleet.coordinators) {
      if (!process) continue;
      const { streams, heldBytes } = process.relayed;
      // Two frames each, of a chunk at most.
      const most = 2 * RELAY_PLACES * chunkBytes;
      if (streams > RELAY_PLACES || heldBytes > most) {
        world.violation(
          `${process.part.name} relays ${streams} streams and holds ${heldBytes} bytes of ${most}`,
        );
      }
    }
    for (const { processes } of jobs.flatMap(({ slots }) => slots)) {
      for (const { part, loader } of processes) {
        if (!loader) continue;
        const { heldBytes, creditBytes } = Reflect.get(loader, 'stream') as Held;
        // The credits count the views; indices and labels come on top.
        const most = (creditBytes * 28) / 12;
        if (heldBytes > most)
          world.violation(`${part.name} holds ${heldBytes} bytes, ${most} were its credits`);
      }
    }
    for (const stream of fleet.network.streams) {
      if (stream.inFlight > 64 + 4 * windows) {
        world.violation(`${stream.inFlight} messages are on their way to one trainer`);
      }
    }
    void server.broker.counts(FINGERPRINT).then(({ waiting, active }) => {
      const most = 16 + 4 * windows;
      if (waiting + active > most)
        world.violation(`${waiting} jobs wait and ${active} are taken, ${most} at most`);
    });
    world.clock.timer(EVERY_MS, look);
  };
  look();
}

/** A chunk that a worker makes or is said to make, as it was seen without a break. */
interface Made {
  readonly since: number;
  /** Which attempt of which worker. */
  readonly maker: string;
}

/** By then a chunk is late of which the coordinator knows nothing that is usual: 3 times 5 s, and two looks. */
const LATE_MS = 18_000;
/** By then a worker's death was noticed: its lease, and a few looks. */
const DEAD_MS = 6_000;

/**
 * Looks again and again at what trainers wait for: a dead worker's chunk is to be another's soon, and one that is late is
 * to be hedged where it may be. Only once faults have ended, which excuse anything.
 */
export function watchMakers(fleet: Fleet): void {
  const { world, server } = fleet;
  let watched = new Map<string, Made>();
  const look = async () => {
    const now = world.clock.now();
    const seen = new Map<string, Made>();
    const living = new Set(fleet.workers.map((process) => process?.part.name));
    const able = fleet.workers.filter((process) => process?.part.running).length;
    const { waiting } = await server.broker.counts(FINGERPRINT);
    for (const run of world.hostile ? [] : world.scenario.runs) {
      const runKey = fleet.keyOf(run);
      const awaited = awaitedOf(fleet, runKey);
      const mayHedge = waiting === 0 && able > 1 && server.affordsHedge(runKey);
      for (const { chunk, attempt, takenBy, hedge } of await server.store.outstanding(runKey)) {
        if (takenBy === null || !awaited.has(chunk)) continue;
        const isDead = !living.has(takenBy);
        if (!isDead && (!mayHedge || (hedge && hedge.takenBy !== takenBy))) continue;
        const key = `${run.name} ${chunk}`;
        const maker = `attempt ${attempt} by ${takenBy}, which ${isDead ? 'is dead' : 'lives'}`;
        const known = watched.get(key);
        const since = known?.maker === maker ? known.since : now;
        seen.set(key, { since, maker });
        if (now - since > (isDead ? DEAD_MS : LATE_MS)) world.violation(`${key} stays ${maker}`);
      }
    }
    watched = seen;
    world.clock.timer(EVERY_MS, () => void look());
  };
  void look();
}

/** Chunks of a run that a trainer waits to be told of. */
function awaitedOf(fleet: Fleet, key: RunKey): ReadonlySet<string> {
  const attachments = fleet.coordinators.flatMap((process) =>
    process?.part.running ? [...process.coordinator.attachments] : [],
  );
  return new Set(
    attachments
      .filter(({ run }) => run.key === key)
      .flatMap((attachment) => attachment.wants.filter(({ name }) => attachment.awaits(name)))
      .map(({ name }) => name),
  );
}

/** Nothing is wanted any more, so nothing may be left. */
export async function checkNothingLeft(fleet: Fleet): Promise<void> {
  const { world, server } = fleet;
  const left: string[] = [];
  const { waiting, active } = await server.broker.counts(FINGERPRINT);
  if (waiting + active > 0) left.push(`${waiting} waiting jobs, ${active} taken`);
  for (const run of world.scenario.runs) {
    const key = fleet.keyOf(run);
    const outstanding = await server.store.outstanding(key);
    if (outstanding.length > 0) left.push(`outstanding ${outstanding.map(({ chunk }) => chunk).join(' ')}`);
    const attachments = await server.store.attachments(key);
    for (const { consumer, rank } of attachments) left.push(`the attachment of ${consumer}/${rank}`);
  }
  for (const process of fleet.coordinators) {
    if (process && process.coordinator.attachments.size > 0) {
      left.push(`${process.coordinator.attachments.size} attachments of ${process.part.name}`);
    }
    const { streams, waiting, heldBytes } = process?.relayed ?? { streams: 0, waiting: 0, heldBytes: 0 };
    if (streams + waiting + heldBytes > 0) {
      left.push(`${streams} relayed streams, ${waiting} waiting, ${heldBytes} bytes of them`);
    }
  }
  for (const process of fleet.workers) {
    if (!process) continue;
    const held = process.worker.outbox.held();
    if (held.length > 0) left.push(`${held.map(({ chunk }) => chunk).join(' ')} at ${process.part.name}`);
  }
  if (fleet.network.streams.size > 0) left.push(`${fleet.network.streams.size} open streams`);
  if (left.length > 0) world.violation(`left over: ${left.join('; ')}`);
}
