import { createLogger } from '@cropstream/runtime';
import { runWorker } from './process.js';

/** The crop-worker's process; `cropstream worker` is the same. */
try {
  await runWorker(process.env);
} catch (err) {
  createLogger({ name: 'crop-worker' }).fatal({ err }, 'could not start');
  process.exitCode = 1;
}
