/** What FileSizes asks its thread. */
export interface SizesTask {
  /** Absolute. */
  readonly folder: string;
  /** Of files in it, a NUL between them: one string crosses to a thread faster than many. */
  readonly packedNames: string;
}

export interface SizesAnswer {
  /** A size in bytes for each name; UNKNOWN where a file is gone, could not be looked at, or was not. */
  readonly sizes: Float64Array<ArrayBuffer>;
  /** Files take so long each that it stopped: many calls at once are faster then. */
  readonly slow: boolean;
}

export const UNKNOWN = -1;

/** Stands between packed names: no file's name has it. */
export const NUL = '\0';
