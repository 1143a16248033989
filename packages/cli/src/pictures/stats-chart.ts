import { FONT, rasterise, viewColour } from '@cropstream/darkroom/pictures';
import {
  type CropGroup,
  type CropStatistics,
  expectedDensities,
  type Histogram,
  namesOf,
} from '@cropstream/darkroom/statistics';
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

interface Panel {
  readonly title: string;
  readonly axis: string;
  readonly histogram: Histogram;
  readonly range: readonly [number, number];
  /** Densities within the range: as configured, and as it must be for images of these sizes. */
  readonly configured: (value: number) => number;
  readonly expected: (value: number) => number;
}

function panelsOf({ scale, ratio, observed }: CropGroup, sizes: CropStatistics['sizes']): Panel[] {
  if (scale === null || ratio === null || observed === null) return [];
  const logWidth = Math.log(ratio[1] / ratio[0]);
  const expected = expectedDensities(sizes, { scale, ratio });
  const place = (title: string, axis: string, histogram: Histogram): Panel => {
    return { title, axis, histogram, range: [0, 1], configured: () => 1, expected: () => 1 };
  };
  return [
    {
      title: 'scale',
      axis: 'share of the image’s area',
      histogram: observed.scale,
      range: scale,
      configured: () => (scale[1] > scale[0] ? 1 / (scale[1] - scale[0]) : 0),
      expected: expected.scale,
    },
    {
      title: 'aspect ratio',
      axis: 'width / height',
      histogram: observed.ratio,
      range: ratio,
      configured: (value) => (logWidth > 0 ? 1 / (value * logWidth) : 0),
      expected: expected.ratio,
    },
    place('position, across', '0 left, 1 right', observed.x),
    place('position, down', '0 top, 1 bottom', observed.y),
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
  const points = 60;
  const curve = (density: Panel['expected']) => {
    const inside = Array.from({ length: points + 1 }, (_, i) => {
      const value = range[0] + ((range[1] - range[0]) * i) / points;
      return { value, density: density(value) };
    });
    return [{ value: range[0], density: 0 }, ...inside, { value: range[1], density: 0 }];
  };
  const line = (density: Panel['expected'], style: object) => ({
    data: { values: curve(density) },
    mark: { type: 'line', color: LINE, ...style },
    encoding: {
      x: { field: 'value', type: 'quantitative', ...x },
      y: { field: 'density', type: 'quantitative' },
      order: { value: null },
    },
  });
  const x = {
    scale: { domain: [histogram.lo, histogram.hi], nice: false, zero: false },
    axis: { title: panel.axis, values: ticks(histogram.lo, histogram.hi), format: '~g' },
  };
  return {
    width: 210,
    height: 120,
    title: { text: panel.title, anchor: 'start', frame: 'group', fontSize: 12, fontWeight: 'bold' },
    layer: [
      {
        data: { values: bars },
        mark: { type: 'bar', color: colour, opacity: 0.65, binSpacing: 0.5 },
        encoding: {
          x: { field: 'from', type: 'quantitative', bin: { binned: true, step }, ...x },
          x2: { field: 'to' },
          y: {
            field: 'density',
            type: 'quantitative',
            axis: { title: 'density', tickCount: 4, labelFlush: true, minExtent: 34, maxExtent: 34 },
          },
        },
      },
      line(panel.configured, { strokeWidth: 1.2, strokeDash: [5, 3], opacity: 0.8 }),
      line(panel.expected, { strokeWidth: 1.8 }),
    ],
  };
}

/** Round numbers within a range, about five of them. */
function ticks(lo: number, hi: number): number[] {
  const rough = (hi - lo) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(lo / step);
  const count = Math.floor(hi / step) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

/**
 * Histograms of the boxes that were drawn, a row for each group of views, with the configured density as a
 * dashed line and the one to expect for these images as a full one, as a PNG.
 */
export async function drawStatsChart(
  statistics: CropStatistics,
  text: { title: string; subtitle: readonly string[] },
): Promise<Buffer> {
  const rows = statistics.groups.flatMap((group, i) => {
    const panels = panelsOf(group, statistics.sizes);
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
        bounds: 'flush',
        spacing: 64,
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
