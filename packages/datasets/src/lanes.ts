/**
 * Does work on each of [0, count), at most `lanes` at once, starting in order. After a failure nothing more is
 * started, and the failure is thrown when what was under way has ended. Keeps nothing an item: a list of
 * promises for millions of files would cost more than the files' names.
 */
export async function inLanes(
  count: number,
  lanes: number,
  work: (i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    try {
      while (next < count) await work(next++);
    } catch (error) {
      next = count;
      throw error;
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: lanes }, lane));
  const failed = ended.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
