// What scheduling a chunk costs without pixels: a short run of benchmarks/coordinator.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromRoot } from './processes.mjs';
import { measure } from './statistics.mjs';

const SECONDS = 6;

export async function queue() {
  const folder = mkdtempSync(join(tmpdir(), 'cropstream-queue-'));
  try {
    const file = join(folder, 'queue.json');
    const script = fromRoot('benchmarks/coordinator/coordinator.mjs');
    const flags = ['--ranks', '64', '--workers', '16', '--seconds', String(SECONDS), '--json', file];
    const done = spawnSync(process.execPath, [script, ...flags], { stdio: ['ignore', 'ignore', 'inherit'] });
    if (done.status !== 0) throw new Error(`${script} ended with ${done.status}`);
    const found = JSON.parse(readFileSync(file, 'utf8'));
    return {
      measures: {
        'chunks scheduled': measure('chunks/s', 'higher', [found.chunks_per_second]),
        'coordinator, CPU': measure('ms/chunk', 'lower', [found.coordinator_cpu_ms_per_chunk]),
        'Redis, CPU': measure('ms/chunk', 'lower', [found.redis_cpu_ms_per_chunk]),
        'credit to ready, p50': measure('ms', 'lower', [found.credit_to_ready_ms.p50]),
      },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
