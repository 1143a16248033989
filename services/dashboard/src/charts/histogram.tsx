import type { Histogram as HistogramData } from '@cropstream/api';
import { useId } from 'preact/hooks';
import { formatCount, formatValue } from '../format.js';

interface HistogramProps {
  readonly title: string;
  readonly unit: string;
  readonly data: HistogramData;
  /** What the spec asks for. */
  readonly range: readonly [number, number];
  /** The density that the spec gives on these images, in the middle of each bin; null: an even one over the range. */
  readonly density: readonly number[] | null;
}

const WIDTH = 280;
const HEIGHT = 92;
const FLOOR = HEIGHT - 16;

/** What was drawn as bars, what the spec asks for as a band, and the density that it gives as a line. */
export function Histogram({ title, unit, data, range, density }: HistogramProps) {
  const name = useId();
  const { lo, hi, counts, total, mean, min, max } = data;
  const x = (value: number) => ((value - lo) / (hi - lo)) * WIDTH;
  const bin = (hi - lo) / counts.length;
  const expected = counts.map(
    (_, index) => (density?.[index] ?? even(lo + (index + 0.5) * bin, range)) * total * bin,
  );
  const most = Math.max(1e-9, ...counts, ...expected);
  const y = (count: number) => FLOOR - (count / most) * (FLOOR - 6);
  const wide = WIDTH / counts.length;
  return (
    <figure class="histogram" aria-labelledby={name}>
      <figcaption id={name}>
        <b>{title}</b> <span class="muted small">{unit}</span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
        <rect class="range" x={x(range[0])} width={x(range[1]) - x(range[0])} y="0" height={FLOOR} />
        {counts.map((count, index) => (
          <rect
            key={index}
            class="bar"
            x={index * wide + 0.6}
            width={wide - 1.2}
            y={y(count)}
            height={FLOOR - y(count)}
          />
        ))}
        <polyline
          class="expected"
          points={expected.map((value, index) => `${(index + 0.5) * wide},${y(value)}`).join(' ')}
        />
        <line class="floor" x1="0" x2={WIDTH} y1={FLOOR} y2={FLOOR} />
        <text x={x(range[0])} y={HEIGHT - 3}>
          {formatValue(range[0])}
        </text>
        <text x={x(range[1])} y={HEIGHT - 3} text-anchor="end">
          {formatValue(range[1])}
        </text>
      </svg>
      <p class="small muted">
        {total === 0
          ? 'No box was drawn.'
          : `Drawn ${short(min)} to ${short(max)}, mean ${short(mean)}; asked ${formatValue(range[0])} to ${formatValue(range[1])}. ${formatCount(total)} boxes.`}
      </p>
    </figure>
  );
}

const short = (value: number): string => String(Number(value.toPrecision(3)));

const even = (value: number, [lo, hi]: readonly [number, number]): number =>
  value >= lo && value <= hi ? 1 / (hi - lo) : 0;
