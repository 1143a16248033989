import { readFileSync } from 'node:fs';

/** @typedef {{ batches: number, mebibytes: number }} Point of a memory curve */

/** Of /proc/PID/status, what a process alone accounts for. */
const OWN = /^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB$/gm;

/**
 * Memory that is a process's own, in MiB: resident or swapped, without the files it maps (the engine's code, some
 * 60 MiB), whose pages the kernel drops and reads again as it sees fit. Null once it is gone. Linux only.
 */
export function ownMebibytes(pid) {
  try {
    const kibibytes = [...readFileSync(`/proc/${pid}/status`, 'utf8').matchAll(OWN)];
    if (kibibytes.length === 0) return null;
    return kibibytes.reduce((sum, [, value]) => sum + Number(value), 0) / 1024;
  } catch {
    return null;
  }
}

/**
 * Slope and level of the line through points by Theil and Sen: medians over all pairs, so that a garbage collector's
 * teeth and a few outliers do not turn it as they turn least squares.
 * @param {readonly (readonly [x: number, y: number])[]} points
 */
export function fitLine(points) {
  const slopes = [];
  for (const [i, [x1, y1]] of points.entries()) {
    for (const [x2, y2] of points.slice(i + 1)) if (x2 !== x1) slopes.push((y2 - y1) / (x2 - x1));
  }
  const slope = slopes.length === 0 ? 0 : median(slopes);
  return { slope, level: median(points.map(([x, y]) => y - slope * x)) };
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * What the second half of a curve says: the first is warm-up, while heaps, pools and compiled code find their size.
 * @param {readonly Point[]} curve
 * @param {number} batches drawn in all
 */
export function judge(curve, batches) {
  const tail = curve.filter((point) => point.batches >= batches / 2);
  const values = tail.map(({ mebibytes }) => mebibytes);
  return {
    samples: tail.length,
    min: Math.min(...values),
    max: Math.max(...values),
    peak: Math.max(...curve.map(({ mebibytes }) => mebibytes)),
    /** MiB per 1,000 batches. */
    slope: 1000 * fitLine(tail.map((point) => [point.batches, point.mebibytes])).slope,
  };
}

/** Windows of the second half, whose least values are its floor. */
const WINDOWS = 20;
/**
 * What the floor may rise by over the second half, however long it is: an engine's old generation settles, and a C
 * allocator's arenas fill up, in steps of some MiB.
 */
const FLOOR_MEBIBYTES = 24;

/**
 * Whether a curve's floor is flat over its second half. A floor is not lifted by what garbage collectors let grow
 * between two collections.
 * @param {readonly { minutes: number, mebibytes: number }[]} curve
 * @param {number} minutes in all
 */
export function judgeFloors(curve, minutes) {
  const half = minutes / 2;
  const tail = curve.filter((point) => point.minutes >= half);
  const values = tail.map(({ mebibytes }) => mebibytes);
  const width = half / WINDOWS;
  const floors = Array.from({ length: WINDOWS }, (_, i) => {
    const from = half + i * width;
    const within = tail.filter((point) => point.minutes >= from && point.minutes < from + width);
    return within.length === 0 ? null : [from, Math.min(...within.map(({ mebibytes }) => mebibytes))];
  }).filter((floor) => floor !== null);
  const growth = fitLine(floors).slope * half;
  return {
    min: Math.min(...values),
    max: Math.max(...values),
    growth,
    bound: FLOOR_MEBIBYTES,
    ok: growth <= FLOOR_MEBIBYTES,
  };
}
