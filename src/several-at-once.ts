/** Files are read by four threads (libuv's): more at once would only be open. */
const AT_ONCE = 4;

/**
 * What `work` makes of each, in their order, several at a time. Throws what the first that fails throws, and begins
 * none after it.
 */
export async function severalAtOnce<T, Made>(all: Iterable<T>, work: (one: T) => Promise<Made>): Promise<Made[]> {
  const waiting = [...all].entries();
  const made: Made[] = [];
  let failed = false;
  const oneAfterTheOther = async () => {
    for (const [index, one] of waiting) {
      if (failed) return;
      try {
        made[index] = await work(one);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, oneAfterTheOther));
  return made;
}
