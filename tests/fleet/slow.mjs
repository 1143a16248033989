/** A transform that changes nothing and takes its time, asleep: chunks take long, whatever the machine. */
export default {
  name: 'slow',
  version: '1',
  schema: { parse: ({ ms }) => ({ ms: Number(ms) }) },
  sample: ({ ms }) => ({ ms }),
  apply(pixels, { ms }) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    return pixels;
  },
};
