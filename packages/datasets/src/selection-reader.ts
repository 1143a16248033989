import type { Selection } from './manifests/selection.js';
import type { Sample, SampleReader } from './source.js';

/** Reads the samples of a selection by a reader of the whole. */
export class SelectionReader implements SampleReader {
  constructor(
    private readonly selection: Selection,
    private readonly whole: SampleReader,
  ) {}

  async size(sampleId: number, signal?: AbortSignal): Promise<number> {
    return this.whole.size(this.selection.idOf(sampleId), signal);
  }

  async read(sampleId: number, signal?: AbortSignal): Promise<Sample> {
    return this.whole.read(this.selection.idOf(sampleId), signal);
  }

  async head(sampleId: number, length: number, signal?: AbortSignal): Promise<Uint8Array | null> {
    return this.whole.head(this.selection.idOf(sampleId), length, signal);
  }

  close(): Promise<void> {
    return this.whole.close();
  }
}
