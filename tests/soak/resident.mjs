import { readFileSync } from 'node:fs';

/** @typedef {{ batches: number, mebibytes: number }} Point of a memory curve */

/** Resident memory (VmRSS) of a process in MiB; null once it is gone. Linux only. */
export function residentMebibytes(pid) {
  try {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? null : Number(kibibytes) / 1024;
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
