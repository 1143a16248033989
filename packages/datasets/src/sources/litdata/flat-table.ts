/**
 * Reads FlatBuffers (https://flatbuffers.dev/internals) as Arrow's metadata is written in. Every access is checked against
 * the bytes' bounds by DataView, so bytes of anything throw a RangeError and are never believed.
 */
export class FlatTable {
  constructor(
    readonly view: DataView,
    private readonly at: number,
  ) {}

  /** The table that the bytes begin with the offset of. */
  static root(view: DataView): FlatTable {
    return new FlatTable(view, view.getUint32(0, true));
  }

  uint8(field: number): number {
    const at = this.#field(field);
    return at === 0 ? 0 : this.view.getUint8(at);
  }

  int16(field: number): number {
    const at = this.#field(field);
    return at === 0 ? 0 : this.view.getInt16(at, true);
  }

  int32(field: number): number {
    const at = this.#field(field);
    return at === 0 ? 0 : this.view.getInt32(at, true);
  }

  int64(field: number): number {
    const at = this.#field(field);
    return at === 0 ? 0 : Number(this.view.getBigInt64(at, true));
  }

  table(field: number): FlatTable | null {
    const at = this.#field(field);
    return at === 0 ? null : new FlatTable(this.view, this.#indirect(at));
  }

  /** Where the entries of a vector begin, and how many there are; each takes so many bytes. */
  vector(field: number, entryBytes: number): { readonly at: number; readonly length: number } {
    const reference = this.#field(field);
    if (reference === 0) return { at: 0, length: 0 };
    const at = this.#indirect(reference);
    const length = this.view.getUint32(at, true);
    if (at + 4 + length * entryBytes > this.view.byteLength)
      throw new RangeError('a vector is longer than its bytes');
    return { at: at + 4, length };
  }

  tables(field: number): FlatTable[] {
    const { at, length } = this.vector(field, 4);
    return Array.from({ length }, (_, i) => new FlatTable(this.view, this.#indirect(at + 4 * i)));
  }

  text(field: number): string {
    const { at, length } = this.vector(field, 1);
    return Buffer.from(this.view.buffer, this.view.byteOffset + at, length).toString('utf8');
  }

  /** Where a field's value stands; 0 where the table lacks it. */
  #field(field: number): number {
    const vtable = this.at - this.view.getInt32(this.at, true);
    const entry = 4 + 2 * field;
    if (entry + 2 > this.view.getUint16(vtable, true)) return 0;
    const offset = this.view.getUint16(vtable + entry, true);
    return offset === 0 ? 0 : this.at + offset;
  }

  #indirect(at: number): number {
    return at + this.view.getUint32(at, true);
  }
}
