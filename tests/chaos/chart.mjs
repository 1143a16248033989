// @ts-check
import { draw } from '../soak/chart.mjs';

/** Milliseconds below which a wait is drawn as so long: the axis is logarithmic. */
const LEAST_MS = 10;

/**
 * The stalls that each kind of fault cost, a mark a fault and a line at the median, as a PNG.
 *
 * @param {ReadonlyMap<string, readonly number[]>} stalls milliseconds by kind of fault
 * @param {string} detail
 */
export function drawStalls(stalls, detail) {
  const values = [...stalls].flatMap(([kind, all]) =>
    all.map((ms) => ({ kind, seconds: Math.max(ms, LEAST_MS) / 1000 })),
  );
  const seconds = {
    type: 'quantitative',
    scale: { type: 'log' },
    axis: { title: 'longest wait of a rank, seconds', values: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30] },
  };
  const kind = { field: 'kind', type: 'nominal', axis: { title: null, labelFontSize: 12, labelLimit: 400 } };
  return draw({
    width: 640,
    height: { step: 26 },
    title: { text: 'Stalls', subtitle: detail, anchor: 'start', fontSize: 20, offset: 12 },
    data: { values },
    layer: [
      {
        mark: { type: 'circle', size: 60, opacity: 0.35, color: '#0b6bcb' },
        encoding: { x: { field: 'seconds', ...seconds }, y: kind },
      },
      {
        mark: { type: 'tick', thickness: 3, size: 18, color: '#d1570c' },
        encoding: { x: { field: 'seconds', aggregate: 'median', ...seconds }, y: kind },
      },
    ],
  });
}
