// As it was built: its threads are files of its own.
import { createProgram } from '@cropstream/cli';
import { vi } from 'vitest';

export interface CliRun {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process and gives back what it wrote; throws what main would print. */
export async function cropstream(...args: string[]): Promise<CliRun> {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      written[name] += String(chunk);
      return true;
    }),
  );
  try {
    await createProgram().parseAsync(args, { from: 'user' });
    return written;
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** The one JSON object of a command with --json; throws where stdout holds anything else. */
export async function cropstreamJson<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  return JSON.parse((await cropstream(...args, '--json')).stdout) as T;
}
