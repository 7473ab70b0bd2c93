import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { buildOptions } from "../../../build.mjs";
import type { ChildTrace } from "../../../src/host/child.ts";
import { SYSTEM_FOLDERS } from "../../../src/host/libvirt-folders.ts";
import { createProcesses } from "../../../src/host/process.ts";
import { createVirsh } from "../../../src/host/virsh.ts";

/**
 * A virsh whose commands are the shell's: it repeats what it reads as readline does, reads nothing of a line that has a
 * word it does not know, and complains of itself as virsh does. One line per process in $LOG.
 */
const VIRSH = `#!/bin/sh
echo "start $#" >> "$LOG"
echo() {
  case "$1" in --err) shift; printf 'error: %s\\n' "$*" >&2 ;; *) printf '%s' "$*" ;; esac
}
say() { printf '%s\\n' "$*"; }
fail() { printf 'error: %s\\n' "$*" >&2; }
die() { kill -9 $$; }
once() { if mkdir "$LOG.once" 2>/dev/null; then die; fi; say "$*"; }
restarted() { printf 'error: Disconnected from x due to end of file\\nerror: Reconnected to the hypervisor\\n' >&2; say "$*"; }
note() { printf '%s\\n' "$*" >> "$LOG.notes"; }
work() { note begun; until test -e "$LOG.go"; do sleep 0.02; done; note ended; }
slow() { sleep 0.3; say "$*"; }
leave() { sleep 5 & (sleep 0.2; kill -9 $$) & say $$; }
if test $# -gt 3; then
  shift 3
  case $# in 1) eval "$1" ;; *) "$@" ;; esac
  case "$*" in fail*) exit 1 ;; esac
  exit 0
fi
while IFS= read -r line; do
  printf 'virsh # %s\\n' "$line"
  case "$line" in
    *nosuch*) printf "error: unknown command: 'nosuch'\\n" >&2 ;;
    *) eval "$line" ;;
  esac
done
`;

describe("a virsh that is kept", () => {
  let folder: string;
  let trace: ChildTrace[];
  let virsh: ReturnType<typeof createVirsh>;
  const notes = () => readFileSync(join(folder, "log.notes"), "utf8");
  /** What "work" waits for. */
  const goOn = () => writeFileSync(join(folder, "log.go"), "");
  let own: ReturnType<typeof createVirsh>;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
    writeFileSync(join(folder, "virsh"), VIRSH);
    chmodSync(join(folder, "virsh"), 0o755);
    trace = [];
    const env = { PATH: `${folder}:${process.env.PATH}`, LOG: join(folder, "log") };
    const processes = createProcesses({ env, trace: (child) => trace.push(child) });
    virsh = createVirsh(processes, "qemu:///system", SYSTEM_FOLDERS);
    own = createVirsh(processes, "qemu:///session", SYSTEM_FOLDERS);
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const starts = () => readFileSync(join(folder, "log"), "utf8").trim().split("\n");

  test("answers one question after the other, each with its own words", async () => {
    expect(await virsh.output(["say", "it's;", "a"])).toBe("it's; a\n");
    expect(await virsh.batch([["say", "one"], ["fail", "two"], ["say"]])).toEqual([
      { text: "one\n", error: null },
      { text: "", error: "two" },
      { text: "\n", error: null },
    ]);
    expect(await virsh.run(["fail", "no"])).toMatchObject({ exit: 1, stdout: "" });
    await expect(virsh.output(["fail", "no"])).rejects.toMatchObject({ code: "failed", message: "virsh fail: no" });
    expect(starts()).toEqual(["start 3"]);
    expect(trace.map(({ args, exit }) => [args.slice(3), exit])).toEqual([
      [["say", "it's;", "a"], 0],
      [["say one; fail two; say"], 0],
      [["fail", "no"], 1],
      [["fail", "no"], 1],
    ]);
  });

  test("is given a long batch in as many lines as it takes", async () => {
    const words = Array.from({ length: 100 }, (_, index) =>
      index === 50 ? ["fail", "no"] : ["say", `${index}`.repeat(40)],
    );
    const answers = await virsh.batch(words);
    expect(answers).toEqual(
      words.map(([word, text]) => (word === "say" ? { text: `${text}\n`, error: null } : { text: "", error: "no" })),
    );
    expect(starts()).toEqual(["start 3"]);
    await expect(virsh.batch([...words, ["nosuch"], ...words])).rejects.toMatchObject({ message: /unknown command/ });
    await virsh.batch(words, { inheritFds: [] });
    expect(starts()).toEqual(["start 3", "start 4"]); // changes: all of them, or none
  });

  test("says so where it does not know a command, and answers the next", async () => {
    await expect(virsh.batch([["say", "a"], ["nosuch"]])).rejects.toMatchObject({ message: /unknown command/ });
    expect(await virsh.run(["nosuch"])).toMatchObject({ exit: 1, stdout: "" });
    expect(await virsh.output(["say", "b"])).toBe("b\n");
    expect(starts()).toEqual(["start 3"]);
  });

  test("is not kept for a session, whose daemon it would start in an environment of ours", async () => {
    own.prepare({});
    expect(await own.output(["say", "$INPUTRC"])).toBe("$INPUTRC\n");
    expect(await own.run(["fail", "no"], { inheritFds: [] })).toMatchObject({ exit: 1 });
    await own.letGo([]);
    expect(starts()).toEqual(["start 5", "start 5"]);
  });

  test("is told by its standard input alone what nobody may see, of any length, of a session's libvirt too", async () => {
    const secret = "s3cret".repeat(20_000);
    for (const one of [virsh, own]) {
      const answer = await one.unseen(["say", secret], { shown: ["say", "something"] });
      expect(answer).toEqual({ exit: 0, stdout: `${secret}\n`, stderr: expect.any(String) });
      expect(await one.unseen(["fail", "no"], { shown: ["fail"] })).toMatchObject({
        exit: 1,
        stderr: expect.stringContaining("no"),
      });
      expect(starts()).toEqual(["start 3"]); // no word of it is an argument
      for (const unsaid of ["a\tb", "a\nnote b"])
        await expect(one.unseen(["say", unsaid], { shown: [] })).rejects.toThrow("would read something else");
      expect((await one.unseen(["die"], { shown: ["die"] })).exit).not.toBe(0); // and is not told again
      expect(await one.unseen(["say", "b"], { shown: ["say"] })).toMatchObject({ exit: 0, stdout: "b\n" });
      one.close();
      rmSync(join(folder, "log"));
    }
    expect(JSON.stringify(trace)).not.toContain("s3cret");
  });

  test("is left alone with what it could not read as it is", async () => {
    expect(await virsh.output(["say", "a\nb\tc"])).toBe("a\nb\tc\n");
    const many = await virsh.batch(Array.from({ length: 1000 }, (_, index) => ["say", `ü${"x".repeat(99)}${index}`]));
    expect(many.map(({ text }) => text.slice(100))).toEqual(many.map((_, index) => `${index}\n`));
    const long = "x".repeat(1000);
    expect(await virsh.output(["say", long])).toBe(`${long}\n`);
    expect(starts()).toEqual(["start 5", "start 4", "start 4", "start 5"]);
  });

  test("reads no word as a command, whatever stands in it", async () => {
    for (const word of ["x\nnote read\n", "x'\nnote read\n'", "\nnote read", "x; note read", "$(note read)"]) {
      expect(await virsh.output(["say", word])).toBe(`${word}\n`);
      expect(
        await virsh.batch([
          ["say", word],
          ["say", "b"],
        ]),
      ).toEqual([
        { text: `${word}\n`, error: null },
        { text: "b\n", error: null },
      ]);
      expect(await virsh.output(["say", word], { inheritFds: [] })).toBe(`${word}\n`);
    }
    expect(readdirSync(folder)).not.toContain("log.notes");
  });

  test("does not keep another question waiting", async () => {
    const both = await Promise.all([virsh.output(["slow", "a"]), virsh.output(["say", "b"])]);
    expect(both).toEqual(["a\n", "b\n"]);
    const more = Array.from({ length: 6 }, (_, index) => virsh.output(["slow", `${index}`]));
    expect(await Promise.all(more)).toEqual(more.map((_, index) => `${index}\n`));
    // Each says so when it runs
    expect(starts().sort()).toEqual([...Array(4).fill("start 3"), ...Array(2).fill("start 5")]);
  });

  test("that died is asked again by another, and that lost its connection is not asked again", async () => {
    expect(await virsh.output(["say", "a"])).toBe("a\n");
    expect(await virsh.output(["once", "b"])).toBe("b\n");
    expect(await virsh.output(["say", "c"])).toBe("c\n");
    expect(await virsh.output(["restarted", "d"])).toBe("d\n");
    expect(await virsh.output(["say", "e"])).toBe("e\n");
    expect(starts()).toEqual(["start 3", "start 5", "start 3", "start 5", "start 3"]);
  });

  test("never repeats a change: what became of it, nobody knows", async () => {
    const lock = openSync(join(folder, "lock"), "w");
    const how = { inheritFds: [lock] };
    expect(await virsh.output(["say", "a"], how)).toBe("a\n");
    await expect(virsh.batch([["note", "x"], ["die"]], how)).rejects.toMatchObject({ code: "failed" });
    expect(readFileSync(join(folder, "log.notes"), "utf8")).toBe("x\n");
    await expect(virsh.output(["die"], { inheritFds: [] })).rejects.toMatchObject({
      message: "virsh die: ended by a signal",
    });
    expect(await virsh.output(["restarted", "b"], how)).toBe("b\n");
    await virsh.letGo([lock]);
  });

  test("has the locks of a change held from its first to their release, and no longer", async () => {
    const [path, other] = [join(folder, "lock"), join(folder, "other")];
    const [lock, second] = [openSync(path, "w"), openSync(other, "w")];
    await virsh.output(["say", "a"]);
    expect([isHeld(path), isHeld(other)]).toEqual([false, false]);
    await virsh.output(["say", "b"], { inheritFds: [lock] });
    await virsh.output(["say", "c"], { inheritFds: [lock, second] });
    expect([isHeld(path), isHeld(other)]).toEqual([true, true]);
    await virsh.letGo([second]);
    expect(isHeld(other)).toBe(false);
    expect(isHeld(path)).toBe(true);
    await virsh.letGo([lock]);
    expect(isHeld(path)).toBe(false);
    virsh.prepare({ inheritFds: [lock] });
    expect(isHeld(path)).toBe(true);
    await virsh.letGo([lock]);
    await virsh.output(["say", "d"]);
    expect(starts()).toEqual(["start 3"]); // it goes on, and is asked on
  });

  test("has its locks let go for all who ask for it, and holds them anew for who goes on", async () => {
    const path = join(folder, "lock");
    const how = { inheritFds: [openSync(path, "w")] };
    const slow = virsh.output(["work"], how);
    await vi.waitFor(() => expect(notes()).toBe("begun\n"), { timeout: 30_000 });
    const seen = [1, 2].map(() => virsh.letGo(how.inheritFds).then(notes));
    await new Promise((resolve) => setImmediate(resolve));
    goOn();
    expect(await Promise.all(seen)).toEqual(["begun\nended\n", "begun\nended\n"]);
    await slow;
    expect(isHeld(path)).toBe(false);
    await virsh.output(["say", "b"], how);
    const letting = virsh.letGo(how.inheritFds);
    await virsh.output(["say", "c"], how);
    await letting;
    expect(isHeld(path)).toBe(true);
    await virsh.letGo(how.inheritFds);
    expect(isHeld(path)).toBe(false);
  });

  test("has no lock held when it has died", async () => {
    const path = join(folder, "lock");
    const how = { inheritFds: [openSync(path, "w")] };
    await expect(virsh.output(["die"], how)).rejects.toMatchObject({ code: "failed" });
    await vi.waitFor(() => expect(isHeld(path)).toBe(false), { timeout: 30_000 });
    await virsh.letGo(how.inheritFds);
  });

  test("that has died holds no more locks, though somebody else has its output open", async () => {
    const pid = Number(await virsh.output(["leave"]));
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(), { timeout: 30_000 });
    const path = join(folder, "lock");
    const how = { inheritFds: [openSync(path, "w")] };
    expect(await virsh.output(["say", "a"], how)).toBe("a\n");
    expect(isHeld(path)).toBe(true);
    await virsh.letGo(how.inheritFds);
    expect(starts()).toEqual(["start 3", "start 3"]);
  });

  test("finishes the change at work when its locks are let go, and only that", async () => {
    const lock = openSync(join(folder, "lock"), "w");
    const slow = virsh.batch([["work"], ["note", "done"]], { inheritFds: [lock] });
    await vi.waitFor(() => expect(notes()).toBe("begun\n"), { timeout: 30_000 });
    const letting = virsh.letGo([lock]);
    goOn();
    await letting;
    expect(notes()).toBe("begun\nended\ndone\n");
    await slow;
  });

  test("covers the change at work by its locks when we are killed, and no more", async () => {
    const [path, program] = [join(folder, "lock"), join(folder, "program.mjs")];
    const contents = `
      import { openSync } from "node:fs";
      import { createProcesses } from "./process.ts";
      import { createVirsh } from "./virsh.ts";
      import { SYSTEM_FOLDERS } from "./libvirt-folders.ts";
      const virsh = createVirsh(createProcesses({ env: process.env }), "qemu:///system", SYSTEM_FOLDERS);
      void virsh.run(["work"], { inheritFds: [openSync(${JSON.stringify(path)}, "w")] });`;
    const stdin = { contents, resolveDir: join(import.meta.dirname, "../../../src/host"), loader: "ts" } as const;
    await build({ ...buildOptions, entryPoints: [], stdin, splitting: false, outfile: program });
    const env = { PATH: `${folder}:${process.env.PATH}`, LOG: join(folder, "log") };
    const child = spawn(process.execPath, [program], { env, stdio: "inherit" });
    await vi.waitFor(() => expect(notes()).toBe("begun\n"), { timeout: 30_000 });
    child.kill("SIGKILL");
    await once(child, "close");
    expect(isHeld(path)).toBe(true);
    expect(notes()).toBe("begun\n");
    goOn();
    await vi.waitFor(() => expect(holders(path)).toEqual([]), { timeout: 30_000 });
    expect(notes()).toBe("begun\nended\n");
  });

  test("names the package where virsh is not installed", async () => {
    const lacking = createVirsh(createProcesses({ env: { PATH: "/nowhere" } }), "qemu:///system", SYSTEM_FOLDERS);
    await expect(lacking.output(["list"])).rejects.toMatchObject({ code: "host", hint: /libvirt-clients/ });
    await expect(lacking.batch([["list"]])).rejects.toMatchObject({ code: "host" });
  });
});

/** By what would hold it beyond our death. */
const isHeld = (path: string) => holders(path).includes("cat\0");

/** The command lines of the processes that have a file open. */
function holders(path: string): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const open = readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === path);
      return open ? [readFileSync(`/proc/${pid}/cmdline`, "utf8")] : [];
    } catch {
      return []; // no process, or one that has just ended
    }
  });
}
