/** Where a walk goes: a store, two targets, a folder of files of others, and the programs that work on them. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { runInProcess } from "../e2e/in-process.ts";
import { type Ran, sure } from "../e2e/processes.ts";
import { tryVirsh, virsh } from "../e2e/virsh.ts";
import { setClock } from "./clock.ts";
import { type DomainDisk, disksOfDomain } from "./domains.ts";
import { KEY_FILE } from "./luks.ts";
import { killTree } from "./tree.ts";

const program = resolve(import.meta.dirname, "../../bin/estrato");
const daemon = resolve(import.meta.dirname, "../bed/libvirtd");

/** Room for what a walk makes; taken only as it is used. */
export const ROOM = "3G";

/** How a line's process is to end before it is through. */
export interface Ending {
  readonly env?: Readonly<Record<string, string>>;
  /** A program, and its arguments, that runs the line. */
  readonly under?: readonly string[];
  /** Done once, after so long. */
  readonly meanwhile?: { readonly afterMs: number; readonly act: (pid: number) => void };
}

/** No line may take longer, on however busy a machine: it hangs. */
const HANGS_MS = 600_000;

export class Ground {
  readonly folder: string;
  readonly home: string;
  readonly others: string;
  readonly targets: readonly [string, string];
  /** Where packed disks of shelved instances go, if not into the store. */
  readonly packed: string;
  /** The passphrase of everything that is encrypted. */
  readonly key: string;
  /** XDG_CONFIG_HOME. */
  readonly config: string;
  protected constructor(folder: string, config = join(folder, "config")) {
    this.folder = folder;
    this.home = join(folder, "store");
    this.others = join(folder, "others");
    this.targets = [join(folder, "t1"), join(folder, "t2")];
    this.packed = join(folder, "packed");
    this.key = join(folder, KEY_FILE);
    this.config = config;
  }

  /** The folder, and the second target in it, are file systems of their own, which can be filled and made read-only. */
  static async lay(scratch: string): Promise<Ground> {
    const ground = new Ground(mkdtempSync(join(scratch, "walk-")));
    await sure("mount", "-t", "tmpfs", "-o", `size=${ROOM},mode=711`, "walk", ground.folder);
    for (const folder of [ground.others, ground.packed, ...ground.targets]) mkdirSync(folder, { mode: 0o711 });
    writeFileSync(ground.key, "sesam-7391", { mode: 0o600 });
    await sure("mount", "-t", "tmpfs", "-o", `size=${ROOM}`, "target", ground.targets[1]);
    // Whoever borrows has to pass through the folders above.
    await sure("chmod", "a+x", scratch, ground.folder);
    return ground;
  }

  protected get env(): Readonly<Record<string, string>> {
    return { ESTRATO_HOME: this.home, XDG_CONFIG_HOME: this.config };
  }

  /** `estrato WORDS`, in this process. */
  run(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    let timer: NodeJS.Timeout | undefined;
    const hangs = new Promise<Ran>((_, fail) => {
      timer = setTimeout(() => fail(new Error(`it hangs: estrato ${words.join(" ")}`)), HANGS_MS);
    });
    const ran = runInProcess(words, { ...this.env, ...env });
    return Promise.race([ran, hangs]).finally(() => clearTimeout(timer));
  }

  /** The same in a process of its own. Throws where it hangs. */
  async ended(words: readonly string[], { env, under = [], meanwhile }: Ending = {}): Promise<Ran> {
    const [file = program, ...rest] = [...under, program, ...words];
    const child = spawn(file, rest, {
      env: { ...process.env, ...this.env, ...env },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name].on("data", (chunk) => {
        said[name] += chunk;
      });
    const pid = child.pid ?? 0;
    let hangs = false;
    const timers = [
      setTimeout(() => {
        hangs = true;
        killTree(pid, { children: true });
      }, HANGS_MS),
      ...(meanwhile === undefined ? [] : [setTimeout(() => meanwhile.act(pid), meanwhile.afterMs)]),
    ];
    const ended = await new Promise<Pick<Ran, "code" | "signal">>((done) => {
      child.once("close", (code, signal) => done({ code, signal }));
    });
    for (const timer of timers) clearTimeout(timer);
    if (hangs) throw new Error(`it hangs: estrato ${words.join(" ")}: ${said.stderr}`);
    return { ...ended, ...said };
  }

  /** By the libvirt that the walk's guests are in; null: there is no such domain, or it is another's. */
  disksOf(uuid: string): Promise<DomainDisk[] | null> {
    return disksOfDomain(uuid);
  }

  /** Names, one a line. */
  async domains(): Promise<string> {
    return (await virsh("list", "--all", "--name")).trim();
  }

  libvirtd(verb: "start" | "kill"): Promise<string> {
    return sure(daemon, verb);
  }

  /** Takes everything away, what libvirt has of it too. */
  async clear(): Promise<void> {
    setClock(0);
    await this.libvirtd("start");
    for (const name of (await this.domains()).split("\n").filter((one) => one !== "")) {
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
