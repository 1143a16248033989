import { inLanes } from '../lanes.js';
import { joinPath } from '../paths.js';
import { NUL } from '../storage/size-task.js';
import type { FolderListing, ListOptions, Storage } from '../storage/storage.js';

/** A folder that was listed; its path is '' for the root. */
export interface ScannedFolder extends Pick<FolderListing, 'folders' | 'sizes'> {
  readonly path: string;
  /** Its files' names one after the other, a NUL between them: a string each would take three times the memory. */
  readonly packedNames: string;
}

/** The names of a folder's files, as many as its `sizes`. */
export function namesOf({ packedNames, sizes }: ScannedFolder): string[] {
  return sizes.length === 0 ? [] : packedNames.split(NUL);
}

/** Folders listed at once. On network storage a listing waits for round trips, not for work. */
const SCAN_LANES = 8;

/**
 * Lists the root and every folder below it. The root is the first of the result; the others are in no order.
 * What is kept is columnar: a name's characters and a number a file.
 */
export async function scanFolders(storage: Storage, options: ListOptions): Promise<ScannedFolder[]> {
  const scan = async (path: string): Promise<ScannedFolder> => {
    options.signal?.throwIfAborted();
    const { folders, names, sizes } = await storage.list(path, options);
    return { path, folders, sizes, packedNames: names.join(NUL) };
  };
  const root = await scan('');
  const scanned = [root];
  const queue = root.folders.slice();
  while (queue.length > 0) {
    // A round at a time keeps the order of work simple; a round is as wide as the tree.
    const round = queue.splice(0);
    await inLanes(round.length, SCAN_LANES, async (i) => {
      const folder = await scan(round[i] as string);
      scanned.push(folder);
      for (const name of folder.folders) queue.push(joinPath(folder.path, name));
    });
  }
  return scanned;
}
