// Draws docs/images/performance.png out of what `npm run bench -- --json FILE` wrote: node benchmarks/plot.mjs FILE [OUT]
import { readFileSync, writeFileSync } from 'node:fs';
import { FONT, rasterise } from '@cropstream/darkroom/pictures';
import * as vega from 'vega';
import { compile } from 'vega-lite';
import { fromRoot } from './processes.mjs';

const [file, out = fromRoot('docs/images/performance.png')] = process.argv.slice(2);
const { machine, suites } = JSON.parse(readFileSync(file, 'utf8'));
const { measures } = suites.pipeline;
const PEERS = {
  opencv: 'OpenCV (other pixels)',
  pillow: 'Pillow by hand',
  torchvision: 'torchvision on PIL',
  'torchvision-published': 'torchvision, normalised',
};
const STAGES = { decode: 'decode', resize: 'resize', color: 'colour', blur: 'blur', pack: 'pack' };
const FLOOR = 'libjpeg-turbo alone';
const OWN = 'Cropstream';

const stages = Object.entries(STAGES).map(([stage, name]) => ({
  program: OWN,
  part: name,
  ms: measures[`stage ${stage}`].median,
}));
const made = stages.reduce((sum, { ms }) => sum + ms, 0);
const values = [
  { program: FLOOR, part: 'decode', ms: measures[FLOOR].median },
  ...stages,
  { program: OWN, part: 'read, schedule, sum', ms: measures['CPU of the whole recipe'].median - made },
  ...Object.entries(PEERS)
    .filter(([library]) => measures[`${library}, whole recipe`] !== undefined)
    .map(([library, program]) => ({
      program,
      part: 'all of it',
      ms: measures[`${library}, whole recipe`].median,
    })),
];
const parts = ['decode', 'resize', 'colour', 'blur', 'pack', 'read, schedule, sum', 'all of it'];
const y = { field: 'program', type: 'nominal', sort: [FLOOR, OWN, ...Object.values(PEERS)], title: null };
const spec = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  background: '#ffffff',
  padding: 24,
  width: 620,
  height: { step: 34 },
  title: {
    text: "DINO's ten views of an ImageNet-sized JPEG: milliseconds of CPU an image",
    subtitle: `one core of ${machine.cpu}, Node ${machine.node}; medians of rounds in turn`,
    anchor: 'start',
    fontSize: 16,
    subtitleColor: '#656d76',
    offset: 14,
  },
  data: { values: values.map((value) => ({ ...value, order: parts.indexOf(value.part) })) },
  layer: [
    {
      mark: { type: 'bar', height: 22 },
      encoding: {
        y,
        x: { field: 'ms', type: 'quantitative', title: 'ms an image', stack: 'zero' },
        order: { field: 'order' },
        color: {
          field: 'part',
          sort: parts,
          title: null,
          scale: {
            domain: parts,
            range: ['#57606a', '#0969da', '#54aeff', '#8250df', '#c297ff', '#d4a72c', '#afb8c1'],
          },
        },
      },
    },
    {
      transform: [{ aggregate: [{ op: 'sum', field: 'ms', as: 'total' }], groupby: ['program'] }],
      mark: { type: 'text', align: 'left', dx: 5, fontSize: 12 },
      encoding: { y, x: { field: 'total', type: 'quantitative' }, text: { field: 'total', format: '.2f' } },
    },
  ],
  config: {
    font: FONT,
    view: { stroke: null },
    axis: { labelFontSize: 12, labelLimit: 260, gridColor: '#e6e8eb' },
  },
};
const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
writeFileSync(out, rasterise(await view.toSVG(), { zoom: 1.5, background: '#ffffff' }).png);
view.finalize();
