import { findOrientation, startsWith } from '../exif.js';
import { undecodable, unsupported } from '../failures.js';
import type { Orientation } from '../types.js';
import { lacksEntries } from './multi-picture.js';

/** Marker codes of ITU-T T.81, table B.1 (the byte after FF). */
export const Marker = {
  SOF0: 0xc0,
  DHT: 0xc4,
  DAC: 0xcc,
  SOF15: 0xcf,
  RST0: 0xd0,
  RST7: 0xd7,
  SOI: 0xd8,
  EOI: 0xd9,
  SOS: 0xda,
  DQT: 0xdb,
  DRI: 0xdd,
  APP0: 0xe0,
  APP15: 0xef,
  COM: 0xfe,
} as const;

/**
 * Pillow reads files in blocks of this many bytes (`ImageFile.decodermaxblock`), and its libjpeg
 * sees no further than the block it has.
 */
export const PILLOW_BLOCK = 65536;

/** What a JPEG says before its first scan. */
export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  readonly components: 1 | 3 | 4;
  /** The byte after FF of its frame header: C0 baseline, C2 progressive, ... */
  readonly frame: number;
  readonly orientation: Orientation;
  /** The frame header's content, without marker and length: T.81, B.2.2. */
  readonly frameData: Uint8Array;
  /** The contents of its DHT segments, in order. */
  readonly huffmanData: readonly Uint8Array[];
  /** Coded units between two restart markers; 0 for none. */
  readonly restartInterval: number;
  /** Ranges of segments that say nothing about pixels: all APPn but JFIF's and Adobe's, and comments. */
  readonly metadata: readonly (readonly [start: number, end: number])[];
  /** Offset of the first SOS segment's length field. */
  readonly scanAt: number;
}

/** SOF markers: C0..CF without DHT (C4), JPG (C8) and DAC (CC), and DHP (DE), which Pillow reads as one. */
const isFrame = (marker: number): boolean =>
  (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) ||
  marker === 0xde;

/** Segments that have a length; the other markers from C0 on stand alone for Pillow. */
const hasLength = (marker: number): boolean =>
  isFrame(marker) ||
  marker === 0xc4 ||
  marker === 0xcc ||
  (marker >= 0xda && marker <= 0xef) ||
  marker === Marker.COM;

const isMetadata = (marker: number): boolean =>
  marker === Marker.COM || (marker > Marker.APP0 && marker <= Marker.APP15 && marker !== 0xee);

class HeaderReader {
  width = 0;
  height = 0;
  components = 0;
  frame = 0;
  frameData: Uint8Array = new Uint8Array(0);
  readonly huffmanData: Uint8Array[] = [];
  restartInterval = 0;
  readonly metadata: (readonly [start: number, end: number])[] = [];
  readonly exif: Uint8Array[] = [];
  xmp: Uint8Array | undefined;
  private icc: Uint8Array[] = [];
  private pictures: Uint8Array | undefined;

  constructor(private readonly path: string) {}

  segment(marker: number, data: Uint8Array): void {
    if (isFrame(marker)) this.readFrame(marker, data);
    else if (marker === Marker.DQT) this.readTables(data);
    else if (marker === Marker.DHT) this.huffmanData.push(data);
    else if (marker === Marker.DRI && data.length === 2) this.restartInterval = (data[0]! << 8) | data[1]!;
    else if (marker >= Marker.APP0 && marker <= Marker.APP15) this.readApp(marker, data);
  }

  private readFrame(marker: number, data: Uint8Array): void {
    if (data.length < 6 || (data.length - 6) % 3 !== 0) this.bad('its frame header is damaged');
    this.height = (data[1]! << 8) | data[2]!;
    this.width = (data[3]! << 8) | data[4]!;
    this.frame = marker;
    this.frameData = data;
    if (data[0] !== 8) {
      throw unsupported(
        this.path,
        `a JPEG of ${data[0]} bits a sample`,
        'Convert it to 8 bits: `magick FILE -depth 8 FILE.png`.',
      );
    }
    this.components = data[5]!;
    if (this.components !== 1 && this.components !== 3 && this.components !== 4) {
      this.bad(`its frame header names ${this.components} components`);
    }
    const firstIcc = this.icc.sort(Buffer.compare)[0];
    if (firstIcc !== undefined && firstIcc.length < 14) this.bad('its colour profile segment is damaged');
    this.icc = [];
  }

  private readTables(data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      at += 1 + (data[at]! >> 4 === 0 ? 64 : 128);
      if (at > data.length) this.bad('its quantisation tables are cut short');
    }
  }

  /** Pillow reads some application segments closely enough to stumble over damaged ones. */
  private readApp(marker: number, data: Uint8Array): void {
    const app = marker - Marker.APP0;
    if (app === 0 && startsWith(data, 'JFIF')) {
      if (data.length < 7) this.bad('its JFIF segment is cut short');
    } else if (app === 1 && startsWith(data, 'Exif\0\0')) {
      this.exif.push(this.exif.length === 0 ? data : data.subarray(6));
    } else if (app === 1 && startsWith(data, 'http://ns.adobe.com/xap/1.0/\0')) {
      this.xmp = data.subarray(29);
    } else if (app === 2 && startsWith(data, 'ICC_PROFILE\0')) {
      this.icc.push(data);
    } else if (app === 2 && startsWith(data, 'MPF\0')) {
      this.pictures = data.subarray(4);
    } else if (app === 13 && startsWith(data, 'Photoshop 3.0\0')) {
      this.readPhotoshop(data);
    } else if (app === 14 && startsWith(data, 'Adobe')) {
      if (data.length < 7) this.bad('its Adobe segment is cut short');
    }
  }

  private readPhotoshop(data: Uint8Array): void {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    let at = 14;
    while (at + 4 <= data.length && view.getUint32(at) === 0x3842494d /* 8BIM */) {
      if (at + 6 > data.length) return;
      const code = view.getUint16(at + 4);
      at += 6;
      if (at >= data.length) this.bad('its Photoshop segment is cut short');
      at += 1 + data[at]!;
      at += at & 1;
      if (at + 4 > data.length) return;
      const size = view.getUint32(at);
      at += 4;
      // Resolution info of fewer than 14 bytes ends the walk, as any block that runs short does.
      if (code === 0x03ed && Math.min(size, data.length - at) < 14) return;
      at += size;
      at += at & 1;
    }
  }

  finish(scanAt: number): JpegHeader {
    if (this.frame === 0) this.bad('it has no frame header before its first scan');
    if (this.width === 0 || this.height === 0)
      this.bad(`its header says ${this.width} x ${this.height} pixels`);
    if (this.pictures !== undefined && lacksEntries(this.pictures)) {
      this.bad('its multi-picture index is cut short');
    }
    return {
      width: this.width,
      height: this.height,
      components: this.components as 1 | 3 | 4,
      frame: this.frame,
      frameData: this.frameData,
      huffmanData: this.huffmanData,
      restartInterval: this.restartInterval,
      orientation: findOrientation(this.exif.length > 0 ? Buffer.concat(this.exif) : undefined, this.xmp),
      metadata: this.metadata,
      scanAt,
    };
  }

  bad(reason: string): never {
    throw undecodable(this.path, `a damaged JPEG: ${reason}`);
  }
}

/**
 * Reads a JPEG's segments up to its first scan, as leniently and as strictly as Pillow's
 * `JpegImagePlugin` does: it skips stray bytes between segments, and it refuses what Pillow
 * refuses (8 bits a sample and 1, 3 or 4 components are required).
 */
export function readJpegHeader(bytes: Uint8Array, path: string): JpegHeader {
  const reader = new HeaderReader(path);
  const cut = (): never => reader.bad('it ends within its header');
  if (!startsWith(bytes, '\xff\xd8\xff')) throw undecodable(path, 'it does not begin as a JPEG does');
  if (bytes[3] === 0xf7) throw unsupported(path, 'JPEG-LS', 'Convert it: `magick FILE FILE.png`.');
  let at = 2;
  for (;;) {
    while (at < bytes.length && bytes[at] !== 0xff) at++;
    while (at < bytes.length && bytes[at] === 0xff) at++;
    const marker = bytes[at];
    if (marker === undefined) return cut();
    at++;
    if (marker === 0) continue;
    if (marker < Marker.SOF0) reader.bad(`it has an unknown marker FF${hex(marker)}`);
    if (!hasLength(marker)) continue;
    if (at + 2 > bytes.length) return cut();
    const length = (bytes[at]! << 8) | bytes[at + 1]!;
    const end = at + Math.max(2, length);
    if (end > bytes.length) return cut();
    reader.segment(marker, bytes.subarray(at + 2, end));
    if (isMetadata(marker)) reader.metadata.push([at - 2, end]);
    if (marker === Marker.SOS) return reader.finish(at);
    at = end;
  }
}

/**
 * A JPEG without its metadata, `bytes` itself where it has none. libvips would look into it: it takes
 * a photograph with an HDR gain map for another format, read by another library, and it can stumble
 * over damaged EXIF.
 */
export function withoutMetadata(bytes: Uint8Array, { metadata }: JpegHeader): Uint8Array {
  if (metadata.length === 0) return bytes;
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const [start, end] of metadata) {
    parts.push(bytes.subarray(from, start));
    from = end;
  }
  return Buffer.concat([...parts, bytes.subarray(from)]);
}

export const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');
