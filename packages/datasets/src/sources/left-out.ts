import { counted } from '../counted.js';

/** Image and container kinds that people put into image folders, and what to do with them. */
const FIXES: Readonly<Record<string, string>> = {
  heic: 'convert to JPEG: `heif-convert in.heic out.jpg`',
  heif: 'convert to JPEG: `heif-convert in.heif out.jpg`',
  avif: 'convert to JPEG or PNG: `avifdec in.avif out.png`',
  jxl: 'convert to JPEG or PNG: `djxl in.jxl out.png`',
  jp2: 'convert to PNG: `magick in.jp2 out.png`',
  jfif: 'a JPEG under another name: rename it to .jpg',
  jpe: 'a JPEG under another name: rename it to .jpg',
  gif: "not one of ImageFolder's extensions: convert to PNG with `magick in.gif[0] out.png`",
  svg: 'render to PNG: `rsvg-convert in.svg -o out.png`',
  pdf: 'render to PNG: `pdftoppm -png in.pdf out`',
  mp4: 'extract frames: `ffmpeg -i in.mp4 out_%06d.jpg`',
  mov: 'extract frames: `ffmpeg -i in.mov out_%06d.jpg`',
  zip: 'unpack the archive',
  tar: 'unpack the archive',
  gz: 'unpack the archive',
};

const OTHERS_NAMED = 5;

/** Counts the files that are not samples, so that none is dropped in silence. */
export class LeftOut {
  readonly #byExtension = new Map<string, number>();
  readonly #byReason = new Map<string, { count: number; example: string }>();

  /** Counts a file whose name is not an image's. Returns false: it is not accepted. */
  byName(name: string): false {
    const dot = name.lastIndexOf('.');
    const extension = dot > 0 ? name.slice(dot + 1).toLowerCase() : '';
    this.#byExtension.set(extension, (this.#byExtension.get(extension) ?? 0) + 1);
    return false;
  }

  /** Counts an entry with an image's name that cannot be a sample. */
  byReason(path: string, reason: string): void {
    const seen = this.#byReason.get(reason);
    this.#byReason.set(reason, { count: (seen?.count ?? 0) + 1, example: seen?.example ?? path });
  }

  /** Counts by extension, most first: `214 .heic, 3 .txt`. */
  summary(): string {
    const sorted = [...this.#byExtension].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    const named = sorted.slice(0, OTHERS_NAMED).map(([extension, count]) => `${count} ${label(extension)}`);
    const rest = sorted.slice(OTHERS_NAMED).reduce((sum, [, count]) => sum + count, 0);
    return [...named, ...(rest > 0 ? [counted(rest, 'other', 'others')] : [])].join(', ');
  }

  /** The counts, with what to do about each kind that can be fixed: `214 .heic; .heic: convert to JPEG ...`. */
  explanation(): string {
    const fixes = [...this.#byExtension.keys()].flatMap((extension) => {
      const fix = fixOf(extension);
      return fix === undefined ? [] : [`.${extension}: ${fix}`];
    });
    return [this.summary(), ...fixes].filter((part) => part !== '').join('; ');
  }

  /** One sentence a kind that can be fixed, one for the others, one a reason. */
  notices(): string[] {
    const notices: string[] = [];
    for (const [extension, count] of this.#byExtension) {
      const fix = fixOf(extension);
      if (fix !== undefined) {
        notices.push(
          `${counted(count, `.${extension} file is`, `.${extension} files are`)} not read: ${fix}`,
        );
      }
    }
    for (const [reason, { count, example }] of this.#byReason) {
      const entries = counted(count, 'entry was', 'entries were');
      notices.push(`${entries} left out because ${reason}, ${JSON.stringify(example)} for one`);
    }
    if (this.#byExtension.size > 0) {
      notices.push(`left out because their names are not those of images: ${this.summary()}`);
    }
    return notices;
  }
}

const fixOf = (extension: string): string | undefined =>
  Object.hasOwn(FIXES, extension) ? FIXES[extension] : undefined;

function label(extension: string): string {
  // Extensions come from file names: quoted when they are longer or stranger than extensions are.
  if (extension === '') return 'without extension';
  return /^[\w-]{1,12}$/.test(extension) ? `.${extension}` : JSON.stringify(`.${extension.slice(0, 12)}`);
}
