/** Memory for pieces of files, used again and again: ten thousand pieces of their own would wait for V8's collector. */

const BYTES = 2 ** 16;
const spare: Buffer[] = [];

/**
 * Hands `use` memory of so many bytes, which holds anything, and is its own until it has ended: nothing of it may be
 * kept beyond that.
 */
export async function withScratch<T>(bytes: number, use: (memory: Buffer) => Promise<T>): Promise<T> {
  if (bytes > BYTES) return use(Buffer.allocUnsafe(bytes));
  const memory = spare.pop() ?? Buffer.allocUnsafeSlow(BYTES);
  try {
    return await use(memory.subarray(0, bytes));
  } finally {
    spare.push(memory);
  }
}
