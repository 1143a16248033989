import { failure } from '@cropstream/errors';
import * as z from 'zod';
import { counted } from '../counted.js';
import { type FileManifest, FileManifestBuilder, type ManifestCapacity } from '../manifests/file-manifest.js';
import { compareCodePoints, encodePath, joinPath } from '../paths.js';
import { ProgressMeter } from '../progress.js';
import type { FileSource, IndexedDataset, IndexOptions } from '../source.js';
import type { Storage } from '../storage/storage.js';
import { datasetUrl, PATH_FIELD, subset } from './common.js';
import { FileReader } from './file-reader.js';
import { LeftOut } from './left-out.js';
import { namesOf, type ScannedFolder, scanFolders } from './scan.js';

const NAME = 'image-folder';

export const imageFolderSchema = z.strictObject({
  source: z.literal(NAME),
  /** A folder of class folders, or of images. */
  url: datasetUrl,
  /** `folders`: the folders in the root are the classes. `none`: every image under the root, with label -1. */
  labels: z.enum(['folders', 'none']).default('folders'),
  subset,
});

type Config = z.infer<typeof imageFolderSchema>;

/** torchvision's IMG_EXTENSIONS. */
const IMAGE_NAME = /\.(?:jpe?g|png|ppm|bmp|pgm|tiff?|webp)$/i;

/**
 * A folder of images, with torchvision's `ImageFolder` semantics: the folders in the root are the classes, in
 * Python's order of their names; a class's samples are the files below it (links followed) with one of the
 * extensions, by folder path and then by name.
 *
 * Where torchvision raises or says nothing, this goes on and says so: a class folder without images keeps its
 * label, images beside class folders are left out, and a root without class folders gives its images label -1.
 */
export const imageFolder: FileSource<Config> = {
  kind: 'files',
  name: NAME,
  schema: imageFolderSchema,

  async index(
    config: Config,
    storage: Storage,
    options: IndexOptions,
  ): Promise<IndexedDataset<FileManifest>> {
    const leftOut = new LeftOut();
    const meter = new ProgressMeter(options);
    const accept = (name: string) => IMAGE_NAME.test(name) || leftOut.byName(name);
    const skipped = (path: string, reason: string) => leftOut.byReason(path, reason);
    const found = (files: number, bytes: number) => meter.add(files, bytes);
    const folders = await scanFolders(storage, { accept, skipped, found, signal: options.signal });
    meter.finish();

    const notices: string[] = [];
    const labelled =
      config.labels === 'folders' && folders.some(({ path, sizes }) => path !== '' && sizes.length > 0);
    const classes = labelled ? folders[0]!.folders.toSorted(compareCodePoints) : [];
    const labelOfClass = new Map(classes.map((name, label) => [name, label]));
    const samplesOfClass = new Float64Array(classes.length);
    const builder = new FileManifestBuilder(
      { source: NAME, classes, fields: [PATH_FIELD] },
      capacityFor(folders),
    );
    for (const folder of folders.toSorted(labelled ? byClassThenPath : byPath)) {
      const label = labelled ? labelOfClass.get(classOf(folder.path)) : -1;
      if (label === undefined) continue; // the root itself, beside class folders
      addSorted(builder, folder, label);
      if (label >= 0) samplesOfClass[label]! += folder.sizes.length;
    }

    if (builder.length === 0) {
      throw failure('DATASET_EMPTY', { url: config.url, found: leftOut.explanation() || 'it has no files' });
    }
    if (!labelled && config.labels === 'folders') {
      notices.push(
        `${config.url} has no class folders with images: ${counted(builder.length, 'image has', 'images have')} label -1`,
      );
    }
    const beside = labelled ? folders[0]!.sizes.length : 0;
    if (beside > 0) {
      notices.push(
        `${counted(beside, 'image lies beside the class folders and was', 'images lie beside the class folders and were')} left out, as torchvision's ImageFolder does; ` +
          'dataset.labels: none reads every image under the folder, with label -1',
      );
    }
    const empty = classes.filter((_, label) => samplesOfClass[label] === 0);
    if (empty.length > 0) {
      notices.push(
        `${counted(empty.length, 'class folder has no images and keeps its label', 'class folders have no images and keep their labels')}: ${empty.slice(0, 5).join(', ')}` +
          (empty.length > 5 ? ', ...' : ''),
      );
    }
    return { manifest: builder.build(), notices: [...notices, ...leftOut.notices()] };
  },

  open: (manifest, storage) => new FileReader(manifest, storage),
};

/** The first part of a folder's path; '' for the root. */
function classOf(path: string): string {
  const slash = path.indexOf('/');
  return slash === -1 ? path : path.slice(0, slash);
}

/** The order of `sorted(os.walk(root))`: whole folder paths, so that `a-b` comes before `a/b`. */
const byPath = (a: ScannedFolder, b: ScannedFolder) => compareCodePoints(a.path, b.path);

/** make_dataset's order: the classes sorted, then `sorted(os.walk(class))`. */
const byClassThenPath = (a: ScannedFolder, b: ScannedFolder) =>
  compareCodePoints(classOf(a.path), classOf(b.path)) || byPath(a, b);

/** Not below what is to come: a folder's files have its path, a slash and their names each. */
function capacityFor(folders: readonly ScannedFolder[]): ManifestCapacity {
  let samples = 0;
  let pathBytes = 0;
  for (const { path, packedNames, sizes } of folders) {
    samples += sizes.length;
    pathBytes += sizes.length * (Buffer.byteLength(path) + 1) + Buffer.byteLength(packedNames);
  }
  return { samples, pathBytes };
}

function addSorted(builder: FileManifestBuilder, folder: ScannedFolder, label: number): void {
  const { path, sizes } = folder;
  const names = namesOf(folder);
  const order = Uint32Array.from(names.keys()).sort((i, j) => compareCodePoints(names[i]!, names[j]!));
  for (const i of order) builder.add(encodePath(joinPath(path, names[i]!)), sizes[i]!, label);
}
