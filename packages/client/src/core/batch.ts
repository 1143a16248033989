import { failure } from '@cropstream/errors';
import type { ParamTable } from './params.js';
import { elementsOf, type Tensor } from './tensor.js';

/** A bad sample that another one stands in for. */
export interface Substitution {
  /** Of the batch. */
  readonly row: number;
  readonly originalIndex: number;
  /** The index delivered, as in `indices`. */
  readonly deliveredIndex: number;
  /** Of the bad sample. */
  readonly path: string;
  /** The code of its error, and what it says. */
  readonly code: string;
  readonly reason: string;
}

/** A field's values by row. */
export type FieldColumn = string[] | BigInt64Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

export interface BatchContent {
  readonly epoch: number;
  readonly step: number;
  readonly globalStep: number;
  readonly views: ReadonlyMap<string, Tensor>;
  readonly indices: BigInt64Array<ArrayBuffer>;
  readonly labels: BigInt64Array<ArrayBuffer>;
  readonly fields: ReadonlyMap<string, FieldColumn>;
  readonly params: ReadonlyMap<string, ParamTable> | null;
  readonly substitutions: readonly Substitution[];
  /** Takes the memory of a view that its receiver gives back. @default it is left to the engine */
  readonly recycle?: (memory: ArrayBuffer) => void;
}

/** One rank's slice of one step. Its memory is the receiver's, unless and until it gives it back. */
export class Batch {
  readonly #recycle: BatchContent['recycle'];
  /** Of the dataset. */
  readonly epoch: number;
  /** Within the dataset's epoch. */
  readonly step: number;
  /** Since the run's first step: all that a resume needs. */
  readonly globalStep: number;
  /** [B, ...shape of one sample] by view name, in the spec's order. */
  readonly views: ReadonlyMap<string, Tensor>;
  /** int64 [B]: the delivered samples' indices in the dataset. */
  readonly indices: BigInt64Array<ArrayBuffer>;
  /** int64 [B]; -1 where the dataset has none. */
  readonly labels: BigInt64Array<ArrayBuffer>;
  /** The samples' other fields by name (`path`, …), each of B values. */
  readonly fields: ReadonlyMap<string, FieldColumn>;
  /** The sampled parameters by view name, where the loader was opened with `params: true`. */
  readonly params: ReadonlyMap<string, ParamTable> | null;
  /** Bad samples of this batch and what stands in for them. */
  readonly substitutions: readonly Substitution[];

  constructor(content: BatchContent) {
    this.epoch = content.epoch;
    this.step = content.step;
    this.globalStep = content.globalStep;
    this.views = content.views;
    this.indices = content.indices;
    this.labels = content.labels;
    this.fields = content.fields;
    this.params = content.params;
    this.substitutions = content.substitutions;
    this.#recycle = content.recycle;
  }

  /** Samples in the batch, B. */
  get length(): number {
    return this.indices.length;
  }

  /** Bytes of the views. */
  get byteLength(): number {
    return this.asList().reduce((sum, { data }) => sum + data.byteLength, 0);
  }

  /**
   * Gives the views' memory back, for batches to come: worth it once they are on a device. Their arrays are empty from then on;
   * indices, labels, fields and params stay. Nobody has to: the engine frees what is let go, at the cost of looking for it.
   */
  release(): void {
    for (const { data } of this.views.values()) this.#recycle?.(data.buffer);
  }

  /**
   * A view's tensor.
   *
   * @throws SPEC_INVALID naming the views there are
   */
  view(name: string): Tensor {
    const tensor = this.views.get(name);
    if (tensor === undefined) {
      const allowed = `one of ${[...this.views.keys()].join(', ')}`;
      throw failure('SPEC_INVALID', { field: 'view', value: name, allowed });
    }
    return tensor;
  }

  /** The views in the spec's order: what DINO's own loader yields as `images`. */
  asList(): Tensor[] {
    return [...this.views.values()];
  }

  /**
   * The views that a teacher sees, and the others. Globals are the views whose names start with `global`; where
   * none does, those of the largest size. Both in the spec's order.
   */
  splitCrops(): { globals: Tensor[]; locals: Tensor[] } {
    const named = [...this.views].map(([name, tensor]) => ({ name, tensor }));
    const byName = named.some(({ name }) => name.startsWith('global'));
    const sizeOf = (tensor: Tensor) => elementsOf(tensor.shape.slice(1));
    const largest = Math.max(...named.map(({ tensor }) => sizeOf(tensor)));
    const isGlobal = byName
      ? ({ name }: { name: string }) => name.startsWith('global')
      : ({ tensor }: { tensor: Tensor }) => sizeOf(tensor) === largest;
    return {
      globals: named.filter((view) => isGlobal(view)).map(({ tensor }) => tensor),
      locals: named.filter((view) => !isGlobal(view)).map(({ tensor }) => tensor),
    };
  }
}
