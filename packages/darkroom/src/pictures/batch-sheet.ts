import type { Batch, Tensor } from '@cropstream/client';
import type { ResolvedSpec } from '@cropstream/spec';
import { type Rgb, type Sheet, viewColour } from './sheet.js';

/** A float16 or bfloat16 from its bits. */
function fromBits(bits: number, dtype: 'float16' | 'bfloat16'): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponentBits, fractionBits] = dtype === 'float16' ? [5, 10] : [8, 7];
  const exponent = (bits >> fractionBits) & ((1 << exponentBits) - 1);
  const fraction = (bits & ((1 << fractionBits) - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

/** A value of a tensor as a level from 0 to 255; normalised ones are taken back by `* std + mean`. */
function levels(
  tensor: Tensor,
  { mean, std }: ResolvedSpec['normalization'],
): (index: number, channel: number) => number {
  const { dtype, data } = tensor;
  if (dtype === 'uint8') return (index) => data[index] ?? 0;
  const real = (index: number) => {
    const value = Number(data[index] ?? 0);
    return dtype === 'float16' || dtype === 'bfloat16' ? fromBits(value, dtype) : value;
  };
  return (index, channel) => {
    const level = Math.round((real(index) * (std[channel] ?? 1) + (mean[channel] ?? 0)) * 255);
    return Math.min(255, Math.max(0, level));
  };
}

/** One sample of a batch's tensor, to look at. */
export function toImage(
  tensor: Tensor,
  row: number,
  spec: Pick<ResolvedSpec, 'normalization' | 'output'>,
): Rgb {
  const [, a = 0, b = 0, c = 0] = tensor.shape;
  const planar = spec.output.layout === 'nchw';
  const [height, width] = planar ? [b, c] : [a, b];
  const pixels = height * width;
  const level = levels(tensor, spec.normalization);
  const image = new Uint8Array(pixels * 3);
  const start = row * pixels * 3;
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < pixels; i++) {
      const from = planar ? start + channel * pixels + i : start + i * 3 + channel;
      image[i * 3 + channel] = level(from, channel);
    }
  }
  return { width, height, data: image };
}

/** What a batch holds: a row a view, a column a sample, as far as they go. */
export function batchSheet(
  batch: Batch,
  spec: Pick<ResolvedSpec, 'normalization' | 'output'>,
  text: { title: string; subtitle: readonly string[] },
  most = 8,
): Sheet {
  const rows = Array.from({ length: Math.min(most, batch.length) }, (_, row) => row);
  const views = [...batch.views];
  const widest = Math.max(...views.map(([, tensor]) => toImage(tensor, 0, spec).width));
  const zoom = widest > 224 ? 224 / widest : Math.max(1, Math.floor(160 / widest));
  return {
    ...text,
    columns: rows.map((row) => [`sample ${batch.indices[row]}`, `label ${batch.labels[row]}`]),
    columnWidth: Math.max(96, Math.round(widest * zoom)),
    rows: views.map(([name, tensor], i) => ({
      label: name,
      details: [tensor.shape.slice(1).join(' × '), tensor.dtype],
      colour: viewColour(i),
      zoom,
      cells: rows.map((row) => ({ image: toImage(tensor, row, spec) })),
    })),
  };
}
