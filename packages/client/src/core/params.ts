import { PARAM_COLUMNS } from '@cropstream/protocol';

/** One view's sampled parameters: float32 [B, columns.length], row-major; NaN where a transform did not apply. */
export class ParamTable {
  /** Names of the columns, as `PARAM_COLUMNS` of the protocol. */
  readonly columns: readonly string[];

  constructor(
    readonly rows: number,
    readonly data: Float32Array<ArrayBuffer>,
  ) {
    this.columns = PARAM_COLUMNS.slice(0, rows === 0 ? 0 : data.length / rows);
  }

  /** One row by name; null where a transform did not apply. Numbers are exact: what was sampled is a float32. */
  row(index: number): Record<string, number | null> {
    if (!Number.isInteger(index) || index < 0 || index >= this.rows) {
      throw new RangeError(`row ${index} is not in a batch of ${this.rows}`);
    }
    const start = (index * this.data.length) / this.rows;
    return Object.fromEntries(
      this.columns.map((name, column) => {
        const value = this.data[start + column] as number;
        return [name, Number.isNaN(value) ? null : value];
      }),
    );
  }
}
