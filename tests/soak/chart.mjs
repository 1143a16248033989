import * as vega from 'vega';
import { compile } from 'vega-lite';
import { FONT, rasterise } from '../../packages/cli/dist/pictures/svg.js';

const COLOURS = ['#0b6bcb', '#d1570c', '#2b8a3e', '#862e9c', '#c92a2a'];

/** What the curves run over: a field of their points, and how it is told. */
const BATCHES = { field: 'batches', title: 'batches drawn (grey: warm-up, not judged)', format: ',d' };
export const MINUTES = { field: 'minutes', title: 'minutes (grey: warm-up, not judged)', format: '.0f' };

function panel({ name, detail, curves }, axis) {
  const values = Object.entries(curves).flatMap(([process, points]) =>
    points.map((point, order) => ({ process, x: point[axis.field], mebibytes: point.mebibytes, order })),
  );
  const most = values.reduce((max, { x }) => Math.max(max, x), 0);
  return {
    width: 760,
    height: 170,
    title: { text: name, subtitle: detail, anchor: 'start', fontSize: 14, subtitleFontSize: 11 },
    layer: [
      {
        data: { values: [{ from: 0, to: most / 2 }] },
        mark: { type: 'rect', color: '#eef0f2' },
        encoding: { x: { field: 'from', type: 'quantitative' }, x2: { field: 'to' } },
      },
      {
        data: { values },
        mark: { type: 'line', strokeWidth: 1.5 },
        encoding: {
          x: {
            field: 'x',
            type: 'quantitative',
            scale: { domain: [0, most], nice: false },
            axis: { title: axis.title, format: axis.format },
          },
          y: {
            field: 'mebibytes',
            type: 'quantitative',
            scale: { zero: true },
            axis: { title: 'memory of its own, MiB', format: ',d', tickCount: 5 },
          },
          order: { field: 'order' },
          color: {
            field: 'process',
            type: 'nominal',
            scale: { domain: Object.keys(curves), range: COLOURS.slice(0, Object.keys(curves).length) },
            legend: { title: null, orient: 'right', symbolType: 'stroke', labelFontSize: 12 },
          },
        },
      },
    ],
  };
}

/** A chart of Vega-Lite as a PNG, in the style of all. */
export async function draw(chart) {
  const spec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: '#ffffff',
    padding: 24,
    ...chart,
    config: {
      font: FONT,
      axis: { labelFontSize: 10, titleFontSize: 11, titleFontWeight: 'normal', gridColor: '#e6e8eb' },
      title: { subtitleColor: '#656d76' },
      view: { stroke: null },
    },
  };
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  try {
    return rasterise(await view.toSVG(), { zoom: 1.5, background: '#ffffff' }).png;
  } finally {
    view.finalize();
  }
}

/** The curves of all scenarios, one below the other, as a PNG. */
export async function drawCurves(results, axis = BATCHES) {
  return draw({
    title: { text: `Memory over ${axis.field}`, anchor: 'start', fontSize: 20, offset: 18 },
    vconcat: results.map((result) => panel(result, axis)),
    spacing: 32,
    resolve: { scale: { color: 'independent' } },
  });
}
