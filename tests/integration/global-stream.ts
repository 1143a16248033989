import { type Batch, StreamDigest } from '@cropstream/client';

/** The digest of a global stream: each step's slices joined in rank order, view by view. */
export function globalDigest(ranks: readonly (readonly Batch[])[]): string {
  const digest = new StreamDigest();
  const first = ranks[0] as readonly Batch[];
  for (const step of first.keys()) {
    const slices = ranks.map((batches) => batches[step] as Batch);
    digest.update(joined(slices));
  }
  return digest.hex();
}

/** A step's slices as one batch. */
export function joined(slices: readonly Batch[]): Batch {
  const [head] = slices as [Batch];
  const concat = (
    parts: readonly {
      readonly buffer: ArrayBufferLike;
      readonly byteOffset: number;
      readonly byteLength: number;
    }[],
  ) =>
    Buffer.concat(
      parts.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
    );
  const int64 = (parts: readonly BigInt64Array[]) => BigInt64Array.from(parts.flatMap((part) => [...part]));
  const views = new Map(
    [...head.views].map(([name, tensor]) => [
      name,
      { ...tensor, data: new Uint8Array(concat(slices.map((slice) => slice.view(name).data))) },
    ]),
  );
  const fields = new Map(
    [...head.fields].map(([name, values]) => {
      const parts = slices.map((slice) => slice.fields.get(name));
      return [
        name,
        values instanceof BigInt64Array
          ? int64(parts as BigInt64Array[])
          : parts.flatMap((part) => part as string[]),
      ];
    }),
  );
  return Object.assign(Object.create(Object.getPrototypeOf(head)), {
    ...head,
    views,
    fields,
    indices: int64(slices.map(({ indices }) => indices)),
    labels: int64(slices.map(({ labels }) => labels)),
  });
}
