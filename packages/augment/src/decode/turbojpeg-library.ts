import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import koffi from 'koffi';

/** An opaque `tjhandle`. */
export type TjHandle = object;

/** The functions of TurboJPEG's version 3 API that decoding needs (turbojpeg.h). */
export interface TurboJpegLibrary {
  /** What was loaded: a file's path, or the name that the system's loader resolved. */
  readonly path: string;
  init(initType: number): TjHandle | null;
  destroy(handle: TjHandle): void;
  set(handle: TjHandle, parameter: number, value: number): number;
  get(handle: TjHandle, parameter: number): number;
  /** Between reading a header and decompressing: 1/1, 1/2, 1/4 and 1/8 are to be had. */
  setScalingFactor(handle: TjHandle, factor: { num: number; denom: number }): number;
  decompressHeader(handle: TjHandle, jpeg: Uint8Array, bytes: number): number;
  decompress(
    handle: TjHandle,
    jpeg: Uint8Array,
    bytes: number,
    target: Uint8Array,
    pitch: number,
    pixelFormat: number,
  ): number;
  errorText(handle: TjHandle): string;
  /** 0 for a warning, 1 for an error. */
  errorCode(handle: TjHandle): number;
}

const ScalingFactor = koffi.struct('tjscalingfactor', { num: 'int', denom: 'int' });

let loaded: TurboJpegLibrary | null | undefined;

/**
 * Loads libturbojpeg, once a thread: the one that the npm package @julusian/jpeg-turbo ships for
 * Linux, else the system's, if it is 3.0 or newer; `null` where neither is to be had.
 */
export function loadTurboJpegLibrary(): TurboJpegLibrary | null {
  if (loaded === undefined) {
    loaded = null;
    for (const candidate of [...shippedLibraries(), ...systemLibraries()]) {
      loaded = tryLoad(candidate);
      if (loaded !== null) break;
    }
  }
  return loaded;
}

/** On musl the first cannot be loaded (it asks for glibc's libc.so.6), so both are tried in order. */
function shippedLibraries(): string[] {
  if (process.platform !== 'linux') return [];
  try {
    const manifest = createRequire(import.meta.url).resolve('@julusian/jpeg-turbo/package.json');
    const folder = join(dirname(manifest), 'prebuilds', `jpeg-turbo-linux-${process.arch}`);
    return [join(folder, 'libturbojpeg.so.0'), join(`${folder}-musl`, 'libturbojpeg.so.0')];
  } catch {
    return [];
  }
}

function systemLibraries(): string[] {
  switch (process.platform) {
    case 'darwin':
      return [
        'libturbojpeg.dylib',
        '/opt/homebrew/opt/jpeg-turbo/lib/libturbojpeg.dylib',
        '/usr/local/opt/jpeg-turbo/lib/libturbojpeg.dylib',
      ];
    case 'win32':
      return ['turbojpeg.dll'];
    default:
      return ['libturbojpeg.so.0'];
  }
}

/** `null` for a library that is absent, of another machine, or older than 3.0 (it has no `tj3Init`). */
function tryLoad(path: string): TurboJpegLibrary | null {
  try {
    const library = koffi.load(path);
    return {
      path,
      init: library.func('tj3Init', 'void *', ['int']),
      destroy: library.func('tj3Destroy', 'void', ['void *']),
      set: library.func('tj3Set', 'int', ['void *', 'int', 'int']),
      get: library.func('tj3Get', 'int', ['void *', 'int']),
      setScalingFactor: library.func('tj3SetScalingFactor', 'int', ['void *', ScalingFactor]),
      decompressHeader: library.func('tj3DecompressHeader', 'int', ['void *', 'void *', 'size_t']),
      decompress: library.func('tj3Decompress8', 'int', [
        'void *',
        'void *',
        'size_t',
        'void *',
        'int',
        'int',
      ]),
      errorText: library.func('tj3GetErrorStr', 'const char *', ['void *']),
      errorCode: library.func('tj3GetErrorCode', 'int', ['void *']),
    };
  } catch {
    return null;
  }
}
