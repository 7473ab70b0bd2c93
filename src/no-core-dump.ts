/**
 * Keeps secrets out of core dumps, as gpg and ssh-agent do, where Node itself has no setrlimit(2): by prlimit(1), which
 * comes with flock(1). A leaf: whoever is about to hold a secret calls it first.
 */
import { spawnSync } from "node:child_process";

let done = false;

/**
 * From now on the kernel writes no image of this process, nor of the children that it starts: with a limit of 1 byte
 * none goes into a file, and none to a program that collects them, to which the limit means nothing but for this value
 * (core(5); fs/coredump.c). The hard limit stays, so who traces a fault can raise it again. Where there is no
 * prlimit(1), nothing happens.
 */
export function keepOutOfCoreDumps(): void {
  if (done) return;
  done = true;
  spawnSync("prlimit", ["--pid", String(process.pid), "--core=1:"], { stdio: "ignore", timeout: 5_000 });
}
