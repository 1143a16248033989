import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDemoImages } from '../../packages/cli/src/demo/demo-images.js';
import { type CoordinatorReady, type Service, start } from '../processes.mjs';

/** A folder of drawn images, with one file that is no image. */
export async function demoFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'cropstream-browser-'));
  await makeDemoImages(path, { count: 23, seed: 5 });
  await writeFile(join(path, 'fish', 'bad.jpg'), 'no image');
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** `cropstream serve`, all of Cropstream in one process. @param args besides the folder; the ports are free ones */
export const serve = (
  folder: string,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Service<CoordinatorReady>> =>
  start(
    [
      'serve',
      '--data',
      folder,
      '--threads',
      '1',
      '--port',
      '0',
      '--http-port',
      '0',
      '--log-level',
      'warn',
      ...args,
    ],
    env,
  );

export async function stop(service: Service<unknown> | undefined): Promise<void> {
  service?.kill('SIGKILL');
  await service?.ended;
}
