import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { defaultThreads, readResources } from './index.js';

const GIB = 2 ** 30;
const host = { cpus: 64, memoryBytes: 256 * GIB };
const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

function read(files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), 'cgroup-'));
  roots.push(root);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return readResources({ root, host });
}

describe('readResources', () => {
  it("gives the host's where there is no cgroup", () => {
    expect(read({})).toEqual(host);
  });

  it('reads version 2 inside a container', () => {
    const found = read({
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/cpu.max': '150000 100000\n',
      'sys/fs/cgroup/memory.max': `${4 * GIB}\n`,
    });
    expect(found).toEqual({ cpus: 1.5, memoryBytes: 4 * GIB });
  });

  it('takes the least of the groups above, and `max` for none', () => {
    const found = read({
      'proc/self/cgroup': '0::/kubepods.slice/pod1/main\n',
      'sys/fs/cgroup/kubepods.slice/cpu.max': '3200000 100000\n',
      'sys/fs/cgroup/kubepods.slice/pod1/cpu.max': '200000 100000\n',
      'sys/fs/cgroup/kubepods.slice/pod1/main/cpu.max': 'max 100000\n',
      'sys/fs/cgroup/kubepods.slice/pod1/main/memory.max': 'max\n',
      'sys/fs/cgroup/kubepods.slice/memory.max': `${8 * GIB}\n`,
    });
    expect(found).toEqual({ cpus: 2, memoryBytes: 8 * GIB });
  });

  it('reads version 1, also where the path is of the host and only its root is mounted', () => {
    const found = read({
      'proc/self/cgroup': '5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n1:name=systemd:/docker/abc\n',
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '50000\n',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': `${GIB}\n`,
    });
    expect(found).toEqual({ cpus: 0.5, memoryBytes: GIB });
  });

  it("takes version 1's unlimited for the host's", () => {
    const found = read({
      'proc/self/cgroup': '5:cpu,cpuacct:/\n4:memory:/\n',
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    });
    expect(found).toEqual(host);
  });

  it('makes of it at least one thread', () => {
    expect(defaultThreads({ cpus: 0.2, memoryBytes: GIB })).toBe(1);
    expect(defaultThreads({ cpus: 1.5, memoryBytes: GIB })).toBe(2);
    expect(defaultThreads({ cpus: 8, memoryBytes: GIB })).toBe(8);
    expect(defaultThreads()).toBeGreaterThanOrEqual(1);
  });
});
