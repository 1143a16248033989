import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { type CropGroup, type CropStatistics, type Histogram, namesOf } from '../stats/crop-statistics.js';
import { viewColour } from './sheet.js';
import { FONT, rasterise } from './svg.js';

interface Panel {
  readonly title: string;
  readonly axis: string;
  readonly histogram: Histogram;
  readonly range: readonly [number, number];
  /** Density of the configured distribution; 0 outside the range. */
  readonly density: (value: number) => number;
}

function panelsOf({ scale, ratio, observed }: CropGroup): Panel[] {
  if (scale === null || ratio === null || observed === null) return [];
  const uniform = ([lo, hi]: readonly [number, number]) => (hi > lo ? 1 / (hi - lo) : 0);
  const logWidth = Math.log(ratio[1] / ratio[0]);
  return [
    {
      title: 'scale',
      axis: 'share of the image’s area',
      histogram: observed.scale,
      range: scale,
      density: () => uniform(scale),
    },
    {
      title: 'aspect ratio',
      axis: 'width / height',
      histogram: observed.ratio,
      range: ratio,
      density: (value) => (logWidth > 0 ? 1 / (value * logWidth) : 0),
    },
    {
      title: 'position, across',
      axis: '0 left, 1 right',
      histogram: observed.x,
      range: [0, 1],
      density: () => 1,
    },
    {
      title: 'position, down',
      axis: '0 top, 1 bottom',
      histogram: observed.y,
      range: [0, 1],
      density: () => 1,
    },
  ];
}

const LINE = '#1b1f24';

function panelSpec(panel: Panel, colour: string) {
  const { histogram, range } = panel;
  const step = (histogram.hi - histogram.lo) / histogram.counts.length;
  const bars = histogram.counts.map((count, i) => ({
    from: histogram.lo + i * step,
    to: histogram.lo + (i + 1) * step,
    density: histogram.total === 0 ? 0 : count / histogram.total / step,
  }));
  const points = 48;
  const curve = Array.from({ length: points + 1 }, (_, i) => {
    const value = range[0] + ((range[1] - range[0]) * i) / points;
    return { value, density: panel.density(value) };
  });
  const expected = [{ value: range[0], density: 0 }, ...curve, { value: range[1], density: 0 }];
  const x = {
    scale: { domain: [histogram.lo, histogram.hi], nice: false, zero: false },
    axis: { title: panel.axis },
  };
  return {
    width: 210,
    height: 120,
    title: { text: panel.title, anchor: 'start', fontSize: 12, fontWeight: 'bold' },
    layer: [
      {
        data: { values: bars },
        mark: { type: 'bar', color: colour, opacity: 0.65, binSpacing: 0.5 },
        encoding: {
          x: { field: 'from', type: 'quantitative', bin: { binned: true, step }, ...x },
          x2: { field: 'to' },
          y: { field: 'density', type: 'quantitative', axis: { title: 'density', tickCount: 4 } },
        },
      },
      {
        data: { values: expected },
        mark: { type: 'line', color: LINE, strokeWidth: 1.6, strokeDash: [5, 3] },
        encoding: {
          x: { field: 'value', type: 'quantitative', ...x },
          y: { field: 'density', type: 'quantitative' },
          order: { value: null },
        },
      },
    ],
  };
}

/**
 * Histograms of the boxes that were drawn, a row for each group of views, with the configured density as a
 * dashed line, as a PNG.
 */
export async function drawStatsChart(
  statistics: CropStatistics,
  text: { title: string; subtitle: readonly string[] },
): Promise<Buffer> {
  const rows = statistics.groups.flatMap((group, i) => {
    const panels = panelsOf(group);
    if (panels.length === 0) return [];
    return [
      {
        title: {
          text: namesOf(group.views),
          subtitle: `scale ${group.scale?.join(' to ')}, ratio ${group.ratio?.map((side) => side.toFixed(3)).join(' to ')}; ${group.observed?.scale.total.toLocaleString('en-US')} boxes`,
          anchor: 'start',
          fontSize: 14,
          subtitleFontSize: 11,
          subtitleColor: '#656d76',
          offset: 10,
        },
        hconcat: panels.map((panel) => panelSpec(panel, viewColour(i))),
        spacing: 28,
      },
    ];
  });
  const spec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: '#ffffff',
    padding: 24,
    title: {
      text: text.title,
      subtitle: text.subtitle,
      anchor: 'start',
      fontSize: 20,
      subtitleFontSize: 12,
      subtitleColor: '#656d76',
      subtitleLineHeight: 16,
      offset: 18,
    },
    vconcat: rows,
    spacing: 32,
    config: {
      font: FONT,
      axis: {
        labelFontSize: 10,
        titleFontSize: 11,
        titleFontWeight: 'normal',
        gridColor: '#e6e8eb',
        domainColor: '#8c959f',
        tickColor: '#8c959f',
        tickCount: 5,
      },
      view: { stroke: null },
    },
  } as unknown as TopLevelSpec;
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  try {
    return rasterise(await view.toSVG(), { zoom: 1.5, background: '#ffffff' }).png;
  } finally {
    view.finalize();
  }
}
