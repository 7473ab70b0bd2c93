/** Threads that read and sum pieces of a file that is open: one core sums less in a second than many disks read. */
import { Worker } from "node:worker_threads";
import { EstratoError } from "../errors.ts";

/** Reads pieces of one file and sums them, until it is ended. */
export interface Summing {
  /** SHA-256 in hex of so many bytes. "failed" where the file ends before; throws what the system says of a read. */
  sum(at: number, length: number): Promise<string>;
  /** Afterwards it reads the file no more. */
  end(): Promise<void>;
}

/** What a thread answers, in the order in which it was asked. */
type Answer =
  | { readonly sum: string }
  | { readonly isShort: true }
  | { readonly message: string; readonly code: string };

/** A new thread. `fd` stays open until it has ended; `path`: for messages. */
export function summingThread(fd: number, path: string): Summing {
  const worker = new Worker(`(${readAndSum})()`, { eval: true, workerData: fd });
  const waiting: { readonly resolve: (sum: string) => void; readonly reject: (error: Error) => void }[] = [];
  let ended: Error | null = null;
  worker.on("message", (answer: Answer) => {
    const asker = waiting.shift();
    if ("sum" in answer) asker?.resolve(answer.sum);
    else asker?.reject(failureOf(answer, path));
  });
  const end = (error: Error) => {
    ended ??= error;
    for (const { reject } of waiting.splice(0)) reject(ended);
  };
  worker.on("error", end);
  worker.on("exit", () => end(new EstratoError("failed", `${path}: what sums it has ended`)));
  return {
    sum: (at, length) =>
      new Promise((resolve, reject) => {
        if (ended !== null) return reject(ended);
        waiting.push({ resolve, reject });
        worker.postMessage({ at, length });
      }),
    end: async () => void (await worker.terminate()),
  };
}

function failureOf(answer: Exclude<Answer, { readonly sum: string }>, path: string): Error {
  if ("isShort" in answer) return new EstratoError("failed", `${path}: it became shorter while it was read`);
  return Object.assign(new Error(answer.message), { code: answer.code });
}

/** What a thread runs. It is handed over as text: nothing of this module is there but what stands within. */
function readAndSum(): void {
  const { parentPort, workerData: fd } = process.getBuiltinModule("node:worker_threads");
  const { readSync } = process.getBuiltinModule("node:fs");
  const { createHash } = process.getBuiltinModule("node:crypto");
  const buffer = Buffer.allocUnsafeSlow(1024 ** 2);

  function answerTo(at: number, length: number): Answer {
    const hash = createHash("sha256");
    for (let done = 0; done < length; ) {
      const read = readSync(fd, buffer, 0, Math.min(buffer.length, length - done), at + done);
      if (read === 0) return { isShort: true };
      hash.update(buffer.subarray(0, read));
      done += read;
    }
    return { sum: hash.digest("hex") };
  }

  parentPort?.on("message", ({ at, length }: { at: number; length: number }) => {
    try {
      parentPort.postMessage(answerTo(at, length));
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      parentPort.postMessage({ message, code: code ?? "" });
    }
  });
}
