import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join, posix } from 'node:path';

/** What this process may use. */
export interface Resources {
  /** CPU cores, a fraction where the cgroup's quota is one. */
  readonly cpus: number;
  /** Bytes of memory. */
  readonly memoryBytes: number;
}

export interface ResourcesOptions {
  /** Where /proc and /sys are looked for. @default '/' */
  readonly root?: string;
  /** The machine's own, which a limit can only lower. */
  readonly host?: Resources;
}

/**
 * The cgroup's CPU quota and memory limit, version 2 or 1, or the host's where there is none. Node and libuv ignore or
 * misread CPU quotas: in a container of two cores on a host of 64 they would start 64 threads.
 */
export function readResources(options: ResourcesOptions = {}): Resources {
  const root = options.root ?? '/';
  const host = options.host ?? { cpus: availableParallelism(), memoryBytes: totalmem() };
  const groups = processGroups(root);
  const least = (controller: string, read: (folder: string) => number | undefined, limit: number) => {
    // A limit of any group on the way up holds. Inside a container the path may be the host's, of which only
    // the root is mounted: then the folders between are missing and the root answers.
    for (const folder of foldersUp(root, groups, controller)) limit = Math.min(limit, read(folder) ?? limit);
    return limit;
  };
  return {
    cpus: least('cpu', readCpus, host.cpus),
    memoryBytes: least('memory', readMemory, host.memoryBytes),
  };
}

/** Compute threads where none are asked for: as many as the CPU quota keeps busy, and at least one. */
export function defaultThreads(resources: Resources = readResources()): number {
  return Math.max(1, Math.ceil(resources.cpus));
}

/** This process's group by controller; '' stands for version 2's one hierarchy. */
function processGroups(root: string): ReadonlyMap<string, string> {
  const groups = new Map<string, string>();
  // Lines of `hierarchy:controller,controller:path`.
  for (const line of (readText(join(root, 'proc/self/cgroup')) ?? '').split('\n')) {
    const [, controllers, ...path] = line.split(':');
    if (controllers === undefined) continue;
    for (const controller of controllers.split(',')) groups.set(controller, path.join(':'));
  }
  return groups;
}

function* foldersUp(
  root: string,
  groups: ReadonlyMap<string, string>,
  controller: string,
): Generator<string> {
  const mounts: [string, string | undefined][] = [
    ['sys/fs/cgroup', groups.get('')],
    [`sys/fs/cgroup/${controller}`, groups.get(controller)],
  ];
  for (const [mount, path] of mounts) {
    if (path === undefined) continue;
    let group = posix.normalize(posix.join('/', path));
    for (;;) {
      yield join(root, mount, group);
      if (group === '/') break;
      group = posix.dirname(group);
    }
  }
}

function readCpus(folder: string): number | undefined {
  // Version 2: `max 100000`, or quota and period in microseconds.
  const [quota, period] = (readText(join(folder, 'cpu.max')) ?? '').trim().split(' ');
  if (period !== undefined) return ratio(quota, period);
  // Version 1: a quota of -1 is none.
  return ratio(readText(join(folder, 'cpu.cfs_quota_us')), readText(join(folder, 'cpu.cfs_period_us')));
}

function ratio(quota: string | undefined, period: string | undefined): number | undefined {
  const cpus = Number(quota) / Number(period);
  return Number.isFinite(cpus) && cpus > 0 ? cpus : undefined;
}

function readMemory(folder: string): number | undefined {
  const text = readText(join(folder, 'memory.max')) ?? readText(join(folder, 'memory.limit_in_bytes'));
  // `max` in version 2; version 1 says "no limit" with a number near 2^63, which the host's memory undercuts.
  const bytes = Number(text);
  return text !== undefined && Number.isFinite(bytes) && bytes > 0 ? bytes : undefined;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
