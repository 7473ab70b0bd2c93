/** Where a walk goes: a store, two targets, a folder of files of others, and the programs that work on them. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { runInProcess } from "../e2e/in-process.ts";
import { type Ran, sure } from "../e2e/processes.ts";
import { tryVirsh, virsh } from "../e2e/virsh.ts";
import { setClock } from "./clock.ts";

const program = resolve(import.meta.dirname, "../../bin/estrato");
const daemon = resolve(import.meta.dirname, "../bed/libvirtd");

/** Room for what a walk makes; taken only as it is used. */
export const ROOM = "3G";

/** How a line's process is to end before it is through. */
export interface Ending {
  /** ESTRATO_TEST_CRASH. */
  readonly at?: string;
  /** SIGKILL to it and all its children after so long. */
  readonly afterMs?: number;
  /** libvirtd dies after so long. */
  readonly daemonAfterMs?: number;
}

export class Ground {
  readonly folder: string;
  readonly home: string;
  readonly others: string;
  readonly targets: readonly [string, string];
  private constructor(folder: string) {
    this.folder = folder;
    this.home = join(folder, "store");
    this.others = join(folder, "others");
    this.targets = [join(folder, "t1"), join(folder, "t2")];
  }

  /** The folder, and the second target in it, are file systems of their own, which can be filled and made read-only. */
  static async lay(scratch: string): Promise<Ground> {
    const ground = new Ground(mkdtempSync(join(scratch, "walk-")));
    await sure("mount", "-t", "tmpfs", "-o", `size=${ROOM},mode=711`, "walk", ground.folder);
    for (const folder of [ground.others, ...ground.targets]) mkdirSync(folder, { mode: 0o711 });
    await sure("mount", "-t", "tmpfs", "-o", `size=${ROOM}`, "target", ground.targets[1]);
    return ground;
  }

  /** `estrato WORDS`, in this process. */
  run(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    return runInProcess(words, { ESTRATO_HOME: this.home, ...env });
  }

  /** The same in a process of its own, which has a process group. */
  async ended(words: readonly string[], { at, afterMs, daemonAfterMs }: Ending): Promise<Ran> {
    const env = { ...process.env, ESTRATO_HOME: this.home, ...(at === undefined ? {} : { ESTRATO_TEST_CRASH: at }) };
    const child = spawn(program, words, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name].on("data", (chunk) => {
        said[name] += chunk;
      });
    const kill = () => {
      try {
        process.kill(-(child.pid ?? 0), "SIGKILL");
      } catch {
        // it has ended
      }
    };
    const timers = [
      ...(afterMs === undefined ? [] : [setTimeout(kill, afterMs)]),
      ...(daemonAfterMs === undefined ? [] : [setTimeout(() => void this.libvirtd("kill"), daemonAfterMs)]),
    ];
    const ended = await new Promise<Pick<Ran, "code" | "signal">>((done) => {
      child.once("close", (code, signal) => done({ code, signal }));
    });
    for (const timer of timers) clearTimeout(timer);
    return { ...ended, ...said };
  }

  libvirtd(verb: "start" | "kill"): Promise<string> {
    return sure(daemon, verb);
  }

  /** Takes everything away, what libvirt has of it too. */
  async clear(): Promise<void> {
    setClock(0);
    await this.libvirtd("start");
    for (const name of (await virsh("list", "--all", "--name")).split("\n").filter((one) => one !== "")) {
      await tryVirsh("destroy", name);
      await tryVirsh("undefine", name, "--nvram");
    }
    await sure(
      "sh",
      "-c",
      `umount -l ${this.targets[1]} ${this.targets[1]}.away 2>/dev/null; umount -l ${this.folder}`,
    );
    rmSync(this.folder, { recursive: true });
  }
}
