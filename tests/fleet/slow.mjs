/**
 * A transform that changes nothing and takes its time, asleep: chunks take long, whatever the machine. In a process with
 * SLOW_MS in its environment it takes that long, whatever the spec says.
 */
export default {
  name: 'slow',
  version: '1',
  schema: { parse: ({ ms }) => ({ ms: Number(ms) }) },
  sample: ({ ms }) => ({ ms }),
  apply(pixels, { ms }) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(process.env.SLOW_MS ?? ms));
    return pixels;
  },
};
