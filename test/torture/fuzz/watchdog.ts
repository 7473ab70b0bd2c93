/** What hangs in this very thread can end nothing by itself: another one looks on. */
import { Worker } from "node:worker_threads";

/** No batch takes as long; what is shrunk, neither. */
const MOST_MS = 300_000;

const LOOKING = `
const { workerData, parentPort } = require("node:worker_threads");
const { writeSync } = require("node:fs");
let timer;
parentPort.on("message", (what) => {
  clearTimeout(timer);
  if (what === null) return;
  timer = setTimeout(() => {
    writeSync(1, "HUNG: " + what + "\\n");
    process.kill(process.pid, "SIGKILL");
  }, workerData);
});
`;
let worker: Worker | undefined;

/** `what` is printed, and the process killed, where `work` does not end. */
export async function watched<T>(what: string, work: () => Promise<T>): Promise<T> {
  worker ??= new Worker(LOOKING, { eval: true, workerData: MOST_MS });
  worker.unref();
  worker.postMessage(what);
  try {
    return await work();
  } finally {
    worker.postMessage(null);
  }
}
