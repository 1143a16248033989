/** The middle one; the mean of the two in the middle of an even number. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** The median distance from the median, scaled to the deviation of a normal distribution. */
export function spread(numbers) {
  const middle = median(numbers);
  return 1.4826 * median(numbers.map((number) => Math.abs(number - middle)));
}

/**
 * One measured value: its median over rounds, the lowest and highest, and all of them.
 *
 * @param {string} unit
 * @param {'higher' | 'lower' | 'neither'} better
 * @param {number[]} rounds
 */
export function measure(unit, better, rounds) {
  return {
    median: median(rounds),
    low: Math.min(...rounds),
    high: Math.max(...rounds),
    unit,
    better,
    rounds,
  };
}

/** The ratio of two measured values, taken round by round. */
export function ratio(better, above, below) {
  return measure(
    'ratio',
    better,
    above.map((value, round) => value / below[round]),
  );
}
