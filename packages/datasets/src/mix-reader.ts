import type { Mix } from './manifests/mix.js';
import type { Sample, SampleReader } from './source.js';

/** Reads the samples of a mix by a reader of each of its datasets. */
export class MixReader implements SampleReader {
  readonly #labels: readonly (readonly number[] | null)[];

  constructor(
    private readonly mix: Mix,
    private readonly readers: readonly SampleReader[],
  ) {
    this.#labels = readers.map((_, part) => mix.labelsOf(part));
  }

  async size(sampleId: number, signal?: AbortSignal): Promise<number> {
    const { reader, id } = this.#locate(sampleId);
    return reader.size(id, signal);
  }

  async read(sampleId: number, signal?: AbortSignal): Promise<Sample> {
    const { reader, id, part } = this.#locate(sampleId);
    const sample = await reader.read(id, signal);
    const fields = this.mix.fieldsOf(part, sample.fields);
    const labels = this.#labels[part] as readonly number[] | null;
    return { ...sample, label: labels === null ? sample.label : (labels[sample.label] ?? -1), fields };
  }

  async head(sampleId: number, length: number, signal?: AbortSignal): Promise<Uint8Array | null> {
    const { reader, id } = this.#locate(sampleId);
    return reader.head(id, length, signal);
  }

  async close(): Promise<void> {
    await Promise.all(this.readers.map((reader) => reader.close()));
  }

  #locate(sampleId: number) {
    const { part, id } = this.mix.locate(sampleId);
    return { reader: this.readers[part] as SampleReader, id, part };
  }
}
