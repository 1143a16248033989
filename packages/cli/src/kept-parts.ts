import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeptParts, partsFrom, sealPart } from '@cropstream/datasets';
import { unwritable, writeOutput } from './outputs.js';

/** In a folder, which is made for the first: a file each, by its digest. */
export function partsInFolder(folder: string): KeptParts {
  return {
    async keep(bytes) {
      const { digest, sealed } = sealPart(bytes);
      await mkdir(folder, { recursive: true }).catch((error: unknown) => {
        throw unwritable(folder, error);
      });
      await writeOutput(join(folder, digest), sealed);
      return digest;
    },
    parts: partsFrom((digest) => readFile(join(folder, digest)).catch(() => null)),
  };
}
