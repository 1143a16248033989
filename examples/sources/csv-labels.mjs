// A source of one's own: images anywhere under a folder, with their classes in a CSV file of lines `path,class`.
//   cropstream serve --source-module ./examples/sources/csv-labels.mjs --spec run.yaml
// with, in run.yaml:
//   dataset: { source: csv-labels, url: /data/plankton, list: labels.csv }
const NAME = 'csv-labels';
// Part of the manifest's digest: raise it whenever the same files would give other samples.
const VERSION = '1.0.0';

const STATS_AT_ONCE = 16;

export default ({
  z,
  datasetFields,
  FileManifestBuilder,
  FileReader,
  PATH_FIELD,
  encodePath,
  failure,
  inLanes,
}) => ({
  kind: 'files',
  name: NAME,
  version: VERSION,

  schema: z.strictObject({
    source: z.literal(NAME),
    ...datasetFields,
    /** The CSV file, below the url. */
    list: z.string().min(1).default('labels.csv'),
  }),

  async index({ list }, storage, { signal }) {
    const text = new TextDecoder().decode(await storage.read(list, { signal }));
    const rows = text.split(/\r?\n/).filter((line) => line !== '');
    const samples = rows.map((row, i) => {
      const comma = row.lastIndexOf(',');
      if (comma < 1) {
        throw failure('DATASET_MALFORMED', { path: list, reason: `line ${i + 1} is not \`path,class\`` });
      }
      return { path: row.slice(0, comma), className: row.slice(comma + 1) };
    });
    const sizes = new Float64Array(samples.length);
    await inLanes(samples.length, STATS_AT_ONCE, async (i) => {
      sizes[i] = (await storage.stat(samples[i].path, signal)).size;
    });
    const classes = [...new Set(samples.map(({ className }) => className))].sort();
    const builder = new FileManifestBuilder({ source: `${NAME}@${VERSION}`, classes, fields: [PATH_FIELD] });
    for (const [i, { path, className }] of samples.entries()) {
      builder.add(encodePath(path), sizes[i], classes.indexOf(className));
    }
    return { manifest: builder.build(), notices: [] };
  },

  open: (manifest, storage) => new FileReader(manifest, storage),
});
