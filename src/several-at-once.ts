/** Files are read by four threads (libuv's): more at once would only be open. */
const AT_ONCE = [1, 2, 3, 4];

/**
 * What `work` makes of each, in their order, several at a time. Throws what the first that fails throws, and begins
 * none after it.
 */
export function severalAtOnce<T, Made>(all: Iterable<T>, work: (one: T) => Promise<Made>): Promise<Made[]> {
  return sharedOut(all, AT_ONCE, work);
}

/** The same by these hands, each of which does one at a time. */
export async function sharedOut<T, Hand, Made>(
  all: Iterable<T>,
  hands: readonly Hand[],
  work: (one: T, hand: Hand) => Promise<Made>,
): Promise<Made[]> {
  const waiting = [...all].entries();
  const made: Made[] = [];
  let failed = false;
  const oneAfterTheOther = async (hand: Hand) => {
    for (const [index, one] of waiting) {
      if (failed) return;
      try {
        made[index] = await work(one, hand);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(hands.map(oneAfterTheOther));
  return made;
}
