import { useEffect, useId, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { formatCompact, formatRate } from '../format.js';
import { isDark } from '../theme.js';
import type { Line, Timeline } from './timeline.js';

const HEIGHT = 210;
/** Narrower than so the time axis would crawl while the first values come. */
const LEAST_SECONDS = 120;

/** Beside its colour each line has a dash of its own. */
const DASHES: readonly (readonly number[])[] = [
  [],
  [7, 3],
  [2, 3],
  [9, 3, 2, 3],
  [4, 4],
  [12, 4],
  [1, 4],
  [5, 2, 1, 2],
];

const style = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const strokeOf = ({ color }: Line): string => style(`--series-${color % DASHES.length}`);
const dashOf = ({ color }: Line): readonly number[] => DASHES[color % DASHES.length] ?? [];

/** Images a second over the last minutes, a line a run or a worker. */
export function Throughput({ timeline, title }: { timeline: Timeline; title: string }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const caption = useId();
  const { lines, times, values } = timeline;
  const drawn = lines.map(({ key, color }) => `${key} ${color}`).join('\n');
  const dark = isDark.value;

  // Drawn anew for other lines and another theme; new values only move it.
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const made = new uPlot(optionsFor(lines, element.clientWidth, dark), [[]], element);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [drawn, dark]);

  useEffect(() => {
    plot.current?.setData([[...times], ...values.map((row) => [...row])]);
  }, [timeline, drawn, dark]);

  return (
    <figure class="throughput" aria-labelledby={caption}>
      <figcaption id={caption} class="hidden-visually">
        {title}, images a second over the last ten minutes. Now: {inWords(lines)}.
      </figcaption>
      <div ref={place} class="plot" aria-hidden="true" />
      <ul class="legend">
        {lines.map((line) => (
          <li key={line.key}>
            <svg viewBox="0 0 26 8" width="26" height="8" aria-hidden="true">
              <line
                x1="1"
                x2="25"
                y1="4"
                y2="4"
                stroke={`var(--series-${line.color % DASHES.length})`}
                stroke-width="2.4"
                stroke-dasharray={dashOf(line).join(' ')}
              />
            </svg>
            <span class="name">{line.label}</span>
            <b>{formatRate(line.now)}</b>
          </li>
        ))}
      </ul>
    </figure>
  );
}

const inWords = (lines: readonly Line[]): string =>
  lines.length === 0 ? 'nothing' : lines.map(({ label, now }) => `${label} ${formatRate(now)}`).join(', ');

function optionsFor(lines: readonly Line[], width: number, dark: boolean): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: style('--muted'),
    font: `12px ${style('--sans')}`,
    grid: { stroke: style('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    padding: [10, 8, 0, 0],
    legend: { show: false },
    cursor: { points: { size: 7 }, y: false, drag: { x: false, y: false } },
    scales: {
      x: { range: timeRange },
      y: { range: (_, __, most) => [0, Math.max(1, most * 1.12)] },
    },
    axes: [
      { ...axis, space: 90, size: 30, values: (_, ticks) => ticks.map((at) => minutes.format(at * 1000)) },
      { ...axis, size: 54, values: (_, ticks) => ticks.map(tick) },
    ],
    series: [
      {},
      ...lines.map(
        (line): uPlot.Series => ({
          label: line.label,
          stroke: strokeOf(line),
          width: dark ? 1.8 : 2,
          dash: [...dashOf(line)],
          points: { show: false },
        }),
      ),
    ],
  };
}

/** Of what is there: uPlot itself makes a day of a single value. */
function timeRange({ data: [times] }: uPlot): [number, number] {
  const last = times.at(-1) ?? Date.now() / 1000;
  return [Math.min(times[0] ?? last, last - LEAST_SECONDS), last];
}

const tick = (value: number): string => (Number.isInteger(value) ? formatCompact(value) : formatRate(value));

const minutes = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
