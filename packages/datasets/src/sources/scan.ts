import { joinPath } from '../paths.js';
import type { ProgressMeter } from '../progress.js';
import type { FolderListing, ListOptions, Storage } from '../storage/storage.js';

/** A folder that was listed; its path is '' for the root. */
export interface ScannedFolder extends FolderListing {
  readonly path: string;
}

export interface ScanOptions extends ListOptions {
  readonly meter: ProgressMeter;
}

/** Folders listed at once. On network storage a listing waits for round trips, not for work. */
const SCAN_LANES = 8;

/**
 * Lists the root and every folder below it. The root is the first of the result; the others are in no order.
 * What is kept is columnar: a name and a number a file.
 */
export async function scanFolders(
  storage: Storage,
  { meter, ...options }: ScanOptions,
): Promise<ScannedFolder[]> {
  const scan = async (path: string): Promise<ScannedFolder> => {
    options.signal?.throwIfAborted();
    const listing = await storage.list(path, options);
    meter.add(
      listing.names.length,
      listing.sizes.reduce((sum, size) => sum + size, 0),
    );
    return { path, ...listing };
  };
  const root = await scan('');
  const scanned = [root];
  const queue = root.folders.slice();
  while (queue.length > 0) {
    // A round at a time keeps the order of work simple; a round is as wide as the tree.
    const round = queue.splice(0);
    let next = 0;
    const lane = async () => {
      while (next < round.length) {
        const folder = await scan(round[next++] as string);
        scanned.push(folder);
        for (const name of folder.folders) queue.push(joinPath(folder.path, name));
      }
    };
    const lanes = await Promise.allSettled(Array.from({ length: SCAN_LANES }, lane));
    const failed = lanes.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }
  return scanned;
}
