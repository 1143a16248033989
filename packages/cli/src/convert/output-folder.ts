import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type CropstreamError, failure } from '@cropstream/errors';
import { makeOutputFolder, unwritable } from '../outputs.js';

/** Everything that decides about the bytes of a conversion, by the names that its user knows. */
export type ConversionRecord = Readonly<Record<string, string | number | null>>;

/** Says which conversion a folder holds. A dot file: no library takes it for data. */
const RECORD = '.cropstream-convert.json';
const PART = /^\.cropstream-.*\.part$/;

/**
 * The folder that a conversion fills. A file is there whole or not at all, so that what a killed conversion left can be
 * trusted; one conversion at a time.
 */
export class OutputFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Opens an empty folder, a new one, or one that this same conversion was begun in.
   *
   * @throws OUTPUT_UNWRITABLE for a folder with anything else in it, naming what is different
   */
  static async open(path: string, record: ConversionRecord): Promise<OutputFolder> {
    await makeOutputFolder(path);
    const folder = new OutputFolder(path);
    const names = await readdir(path).catch((error: unknown) => {
      throw unwritable(path, error);
    });
    const parts = names.filter((name) => PART.test(name));
    if (names.includes(RECORD)) await folder.#checkRecord(record);
    else if (names.length > parts.length) throw folder.#refusal('it is not empty, and holds no conversion');
    // Of a conversion that was killed.
    for (const part of parts) await rm(join(path, part), { force: true });
    await folder.write(RECORD, Buffer.from(`${JSON.stringify(record, null, 2)}\n`, 'utf8'));
    return folder;
  }

  /** Bytes of a file that was written; null where it is not there yet. */
  async sizeOf(name: string): Promise<number | null> {
    try {
      return (await stat(join(this.path, name))).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw unwritable(join(this.path, name), error);
    }
  }

  /** Writes a file under another name and renames it when it is on the disk. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const target = join(this.path, name);
    const part = join(this.path, `.cropstream-${randomBytes(8).toString('hex')}.part`);
    try {
      await mkdir(dirname(target), { recursive: true });
      const file = await open(part, 'wx');
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(part, target);
    } catch (error) {
      await rm(part, { force: true });
      throw unwritable(target, error);
    }
  }

  async #checkRecord(record: ConversionRecord): Promise<void> {
    const before = await this.#readRecord();
    const names = [...new Set([...Object.keys(record), ...Object.keys(before)])];
    const differing = names.filter((name) => before[name] !== record[name]);
    if (differing.length === 0) return;
    const show = (value: unknown) => (value === undefined || value === null ? 'none' : String(value));
    const differences = differing.map((name) => `${name} ${show(before[name])}, not ${show(record[name])}`);
    throw this.#refusal(`it holds a conversion begun with ${differences.join('; ')}`);
  }

  async #readRecord(): Promise<Readonly<Record<string, unknown>>> {
    let record: unknown;
    try {
      record = JSON.parse(await readFile(join(this.path, RECORD), 'utf8'));
    } catch (error) {
      throw this.#refusal(`its ${RECORD} cannot be read: ${error instanceof Error ? error.message : error}`);
    }
    if (typeof record !== 'object' || record === null) throw this.#refusal(`its ${RECORD} is no record`);
    return { ...record };
  }

  #refusal(reason: string): CropstreamError {
    return failure('OUTPUT_UNWRITABLE', { path: this.path, reason });
  }
}
