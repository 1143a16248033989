import { undecodable } from '../failures.js';
import { hex, type JpegHeader, Marker, PILLOW_BLOCK } from './header.js';
import { type LastInterval, pixelsAreComplete } from './huffman.js';

/** Where a walk through a JPEG stands: `at` is the next byte to read. */
interface Cursor {
  at: number;
  /** A marker that the entropy decoder has met and left for its caller. */
  unread: number | undefined;
}

/** The file ended where a marker or a segment was to come. */
const END_OF_FILE = Symbol('end of file');

/**
 * Each scan of a progressive file passes over the whole image, so their number is a limit on time.
 * Encoders write about ten.
 */
const MAX_SCANS = 100;

interface Scan {
  /** Coded units in it: T.81, A.2. */
  readonly units: number;
  readonly restartInterval: number;
  readonly components: LastInterval['components'];
}

/** Whether a file's only scan has all its components, coded by Huffman's method: as most are. */
export function isOneHuffmanScan(bytes: Uint8Array, header: JpegHeader): boolean {
  return bytes[header.scanAt + 2] === header.components && (header.frame === 0xc0 || header.frame === 0xc1);
}

/**
 * Decides what Pillow would about a JPEG's structure from its first scan on, and gives the bytes
 * that make every decoder do the same:
 *
 * - a file of one scan is good once its last row is there: Pillow then reads on to the end marker,
 *   but only damage that it meets on the way makes it fail, not the lack of that marker;
 * - a file of several scans (progressive) must have them all, and its end marker.
 *
 * TurboJPEG would invent a missing end, and libvips never looks behind the last row; so whatever
 * lies behind the pixels is judged here, by the rules of libjpeg's jdmarker.c, and cut off.
 *
 * @returns `bytes` itself, or a copy that ends right behind its pixels with an end marker
 * @throws SAMPLE_UNDECODABLE
 */
export function settleScans(bytes: Uint8Array, header: JpegHeader, path: string): Uint8Array {
  const bad = (reason: string): never => {
    throw undecodable(path, `a damaged JPEG: ${reason}`);
  };
  const cursor: Cursor = { at: header.scanAt, unread: undefined };
  let restartInterval = header.restartInterval;
  let scan = readScan(bytes, cursor, header, restartInterval);
  // A scan header that makes no sense is for the decoders to refuse.
  if (scan === undefined) return bytes;
  const single = scan.components.length === header.components && !isProgressive(header.frame);
  if (!skipEntropyData(bytes, cursor, scan)) return bad('it ends within its pixels');
  const lastStart = cursor.at;

  let scans = 1;
  let limit = bytes.length;
  let tailAt: number | undefined;
  for (;;) {
    const marker = cursor.unread ?? nextMarker(bytes, cursor, limit);
    cursor.unread = undefined;
    if (marker === END_OF_FILE) {
      if (!single) return bad('it ends before its last scan, or without an end marker');
      if (tailAt !== undefined) return endAt(bytes, tailAt);
      if (!isArithmetic(header.frame) && pixelsAreComplete(bytes, header, lastInterval(scan, lastStart))) {
        return endAt(bytes, bytes.length);
      }
      return bad('it ends within its pixels');
    }
    if (tailAt === undefined) {
      tailAt = cursor.at - 2;
      if (single) limit = Math.min(limit, Math.ceil(cursor.at / PILLOW_BLOCK) * PILLOW_BLOCK);
    }
    if (marker === Marker.EOI) {
      if (single) return tailAt === cursor.at - 2 ? bytes : endAt(bytes, tailAt);
      return bytes;
    }
    if (marker === Marker.SOS && !single) {
      if (++scans > MAX_SCANS) return bad(`it has more than ${MAX_SCANS} scans`);
      scan = readScan(bytes, cursor, header, restartInterval);
      if (scan === undefined) return bytes;
      if (!skipEntropyData(bytes, cursor, scan)) return bad('it ends within its pixels');
      continue;
    }
    const problem = readSegment(bytes, cursor, marker, limit, header);
    if (problem === END_OF_FILE) {
      if (single) return endAt(bytes, tailAt);
      return bad('it ends before its last scan');
    }
    if (typeof problem === 'string') return bad(problem);
    if (typeof problem === 'number') restartInterval = problem;
  }
}

const isArithmetic = (frame: number): boolean => frame >= 0xc9;

const isProgressive = (frame: number): boolean => frame === 0xc2 || frame === 0xca;

/** A copy that ends at `at` with an end marker. */
function endAt(bytes: Uint8Array, at: number): Uint8Array {
  const out = new Uint8Array(at + 2);
  out.set(bytes.subarray(0, at));
  out[at] = 0xff;
  out[at + 1] = Marker.EOI;
  return out;
}

/** The part of a scan behind its last restart marker. */
function lastInterval(scan: Scan, start: number): LastInterval {
  const { units, restartInterval, components } = scan;
  const before = restartInterval > 0 ? Math.floor((units - 1) / restartInterval) * restartInterval : 0;
  return { start, units: units - before, components };
}

/** Reads an SOS segment; leaves the cursor at its entropy-coded data. `undefined`: it makes no sense. */
function readScan(
  bytes: Uint8Array,
  cursor: Cursor,
  header: JpegHeader,
  restartInterval: number,
): Scan | undefined {
  const { at } = cursor;
  const length = u16(bytes, at);
  const count = bytes[at + 2];
  if (length === undefined || count === undefined || count < 1 || count > 4) return undefined;
  if (length !== 6 + 2 * count || at + length > bytes.length) return undefined;
  cursor.at = at + length;
  const frame = frameComponents(header);
  const components = Array.from({ length: count }, (_, i) => {
    const found = frame.find(({ id }) => id === bytes[at + 3 + 2 * i]);
    const selectors = bytes[at + 4 + 2 * i]!;
    return found && { h: found.h, v: found.v, dc: selectors >> 4, ac: selectors & 15 };
  }).filter((component) => component !== undefined);
  const maxH = Math.max(...frame.map(({ h }) => h));
  const maxV = Math.max(...frame.map(({ v }) => v));
  if (components.length < count || maxH < 1 || maxV < 1) return undefined;
  const [only] = components;
  const interleaved = count > 1;
  const across = interleaved ? 1 : only!.h;
  const down = interleaved ? 1 : only!.v;
  return {
    units: Math.ceil((header.width * across) / (8 * maxH)) * Math.ceil((header.height * down) / (8 * maxV)),
    restartInterval,
    components: components.map(({ h, v, dc, ac }) => ({ blocks: interleaved ? h * v : 1, dc, ac })),
  };
}

function frameComponents({ frameData, components }: JpegHeader): { id: number; h: number; v: number }[] {
  return Array.from({ length: components }, (_, i) => {
    const sampling = frameData[7 + 3 * i] ?? 0;
    return { id: frameData[6 + 3 * i] ?? -1, h: sampling >> 4, v: sampling & 15 };
  });
}

/**
 * Passes over a scan's entropy-coded data as libjpeg does: one restart marker between two
 * intervals, resynchronised where it is not the one expected (jpeg_resync_to_restart). False where
 * the file ends first.
 */
function skipEntropyData(bytes: Uint8Array, cursor: Cursor, scan: Scan): boolean {
  const intervals = scan.restartInterval > 0 ? Math.ceil(scan.units / scan.restartInterval) : 1;
  for (let i = 0; i + 1 < intervals; i++) {
    const wanted = i & 7;
    for (;;) {
      const marker = cursor.unread ?? nextMarker(bytes, cursor, bytes.length);
      if (marker === END_OF_FILE) return false;
      cursor.unread = undefined;
      if (marker < Marker.SOF0) continue;
      const ahead = marker >= Marker.RST0 && marker <= Marker.RST7 ? (marker - Marker.RST0 - wanted) & 7 : 1;
      if (ahead === 1 || ahead === 2) cursor.unread = marker;
      else if (ahead === 6 || ahead === 7) continue;
      break;
    }
  }
  return true;
}

/** The next FF xx with xx neither 0 nor FF; what lies before it is skipped. */
function nextMarker(bytes: Uint8Array, cursor: Cursor, limit: number): number | typeof END_OF_FILE {
  let at = cursor.at;
  for (;;) {
    at = bytes.indexOf(0xff, at);
    if (at < 0) break;
    while (at < limit && bytes[at] === 0xff) at++;
    if (at >= limit) break;
    const marker = bytes[at++]!;
    if (marker !== 0) {
      cursor.at = at;
      return marker;
    }
  }
  cursor.at = limit;
  return END_OF_FILE;
}

/**
 * Reads what stands between scans, or behind them, as jdmarker.c does. Gives a new restart
 * interval, what is wrong, or nothing.
 */
function readSegment(
  bytes: Uint8Array,
  cursor: Cursor,
  marker: number,
  limit: number,
  header: JpegHeader,
): number | string | typeof END_OF_FILE | undefined {
  if ((marker >= Marker.RST0 && marker <= Marker.RST7) || marker === 0x01 /* TEM */) return undefined;
  if (marker === Marker.SOI) return 'it begins a second time';
  const skipped =
    (marker >= Marker.APP0 && marker <= Marker.APP15) || marker === Marker.COM || marker === 0xdc;
  const read = READERS[marker];
  if (read === undefined && !skipped) {
    return marker >= Marker.SOF0 && marker <= Marker.SOF15
      ? 'it has a second frame header'
      : `it has an unknown marker FF${hex(marker)}`;
  }
  const length = cursor.at + 2 <= limit ? u16(bytes, cursor.at) : undefined;
  if (length === undefined) return END_OF_FILE;
  const body = new SegmentBody(bytes, cursor.at + 2, limit, length - 2);
  cursor.at += Math.max(2, length);
  if (read === undefined) return cursor.at > limit ? END_OF_FILE : undefined;
  try {
    return read(body, header);
  } catch (end) {
    if (end === END_OF_FILE) return END_OF_FILE;
    throw end;
  }
}

/** Bytes of a segment, as jdmarker.c reads them: by the length it states, which may be wrong. */
class SegmentBody {
  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
    private readonly limit: number,
    public left: number,
  ) {}

  /** The next byte; throws END_OF_FILE where the file has no more. */
  byte(): number {
    if (this.at >= this.limit) throw END_OF_FILE;
    this.left--;
    return this.bytes[this.at++]!;
  }
}

type SegmentReader = (body: SegmentBody, header: JpegHeader) => number | string | undefined;

const READERS: Readonly<Record<number, SegmentReader>> = {
  // Reached only behind a complete scan: others are the caller's.
  [Marker.SOS](body, header) {
    const count = body.byte();
    if (body.left !== 3 + 2 * count || count < 1 || count > 4) return 'a second scan header is damaged';
    const ids = new Set(frameComponents(header).map(({ id }) => id));
    for (let i = 0; i < count; i++) {
      if (!ids.has(body.byte())) return 'a second scan header is damaged';
      body.byte();
    }
    for (let i = 0; i < 3; i++) body.byte();
    return 'it has a second scan after a complete one';
  },
  [Marker.DHT](body) {
    while (body.left > 16) {
      const index = body.byte();
      let symbols = 0;
      for (let i = 0; i < 16; i++) symbols += body.byte();
      if (symbols > 256 || symbols > body.left) return 'a Huffman table is damaged';
      for (let i = 0; i < symbols; i++) body.byte();
      if ((index & 0xef) >= 4) return 'a Huffman table has no valid number';
    }
    return body.left === 0 ? undefined : 'a Huffman table segment has the wrong length';
  },
  [Marker.DQT](body) {
    while (body.left > 0) {
      const index = body.byte();
      if ((index & 15) >= 4) return 'a quantisation table has no valid number';
      for (let i = index >> 4 === 0 ? 64 : 128; i > 0; i--) body.byte();
    }
    return body.left === 0 ? undefined : 'a quantisation table segment has the wrong length';
  },
  [Marker.DRI](body) {
    if (body.left !== 2) return 'a restart interval segment has the wrong length';
    return (body.byte() << 8) | body.byte();
  },
  [Marker.DAC](body) {
    while (body.left > 0) {
      const index = body.byte();
      const value = body.byte();
      if (index >= 32 || (index < 16 && (value & 15) > value >> 4))
        return 'arithmetic coding conditions are damaged';
    }
    return body.left === 0 ? undefined : 'an arithmetic coding segment has the wrong length';
  },
};

const u16 = (bytes: Uint8Array, at: number): number | undefined =>
  at + 2 <= bytes.length ? (bytes[at]! << 8) | bytes[at + 1]! : undefined;
