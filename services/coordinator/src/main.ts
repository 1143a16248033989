import { createLogger } from '@cropstream/runtime';
import { runCoordinator } from './process.js';

/** The coordinator's process; `cropstream coordinator` is the same with a run to open. */
try {
  await runCoordinator(process.env);
} catch (err) {
  createLogger({ name: 'coordinator' }).fatal({ err }, 'could not start');
  process.exitCode = 1;
}
