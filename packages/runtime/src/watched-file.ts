import { readFile, stat } from 'node:fs/promises';
import type { Clock, Timer } from './clock.js';

/** How often watched files are looked at: by their times, for events of file systems do not reach through mounts. */
const LOOK_MS = 1_000;

export interface WatchOptions {
  readonly clock: Clock;
  /** Called with the new text after each change; what it throws goes to `onError`. */
  readonly onText: (text: string) => void;
  /** The file cannot be read, or `onText` threw. Told once a change, not at every look. */
  readonly onError: (error: unknown) => void;
}

/**
 * Looks after a small text file that an operator, or Kubernetes by another link, may replace at any time; whatever it
 * was at the start is known to the caller already. Returns how to stop.
 */
export function watchFile(path: string, known: string, { clock, onText, onError }: WatchOptions): () => void {
  let text = known;
  let seen = '';
  let complaint = '';
  let timer: Timer;
  let stopped = false;
  const look = async () => {
    try {
      const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      const now = `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
      if (now === seen) return;
      const read = await readFile(path, 'utf8');
      if (stopped) return;
      seen = now;
      complaint = '';
      if (read === text) return;
      text = read;
      onText(read);
    } catch (error) {
      if (stopped || String(error) === complaint) return;
      complaint = String(error);
      onError(error);
    }
  };
  const schedule = () => {
    timer = clock.timer(LOOK_MS, () => {
      void look().finally(() => {
        if (!stopped) schedule();
      });
    });
  };
  schedule();
  return () => {
    stopped = true;
    timer.cancel();
  };
}
