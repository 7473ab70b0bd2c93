import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NoAnswer } from "../../../src/errors.ts";
import { SYSTEM_FOLDERS } from "../../../src/host/libvirt-folders.ts";
import { createProcesses } from "../../../src/host/process.ts";
import { createVirsh } from "../../../src/host/virsh.ts";
import { until } from "../../wait.ts";

const LIMIT_MS = 500;
/** For those that must answer before, on a busy machine. */
const ANSWER_MS = 2_500;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const sh = (line: string) => ({ program: "sh", args: ["-c", line] });
const limited = (more: { signal?: AbortSignal; onWait?: (what: string | null) => void; limitMs?: number } = {}) =>
  createProcesses({
    env: { ...process.env, MARK: folder },
    patience: { limitMs: LIMIT_MS, afterSignalMs: 0, ...more },
  });

/** The processes that carry the mark of this test in their environment. */
function markedPids(): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`MARK=${folder}\0`);
    } catch {
      return false; // no process, or one that has just ended
    }
  });
}

const marked = () => markedPids().length;

describe("a child that says nothing", () => {
  test("is ended with all that it started, and named", async () => {
    const asked = limited().run(sh("sleep 600 & sleep 600"));
    await expect(asked).rejects.toBeInstanceOf(NoAnswer);
    await expect(asked).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringMatching(/^sh: no answer within [\d.]+ s$/),
      hint: expect.stringContaining("ESTRATO_HOST_TIMEOUT"),
    });
    await until("nothing of it is left", async () => marked() === 0);
  });

  test("is ended where it does not hear SIGTERM, and where it stands still", async () => {
    await expect(limited().run(sh("trap '' TERM; sleep 600; sleep 600"))).rejects.toBeInstanceOf(NoAnswer);
    await expect(limited().run(sh("kill -STOP $$"))).rejects.toBeInstanceOf(NoAnswer);
    await until("nothing of it is left", async () => marked() === 0);
  });

  test("is ended where it was to speak line by line", async () => {
    const lines: string[] = [];
    const read = async () => {
      for await (const line of limited().lines(sh("echo a; sleep 600"))) lines.push(line);
    };
    await expect(read()).rejects.toBeInstanceOf(NoAnswer);
    expect(lines).toEqual(["a"]);
  });

  test("is told to who waits at a terminal, and that it answered at last", async () => {
    const told: (string | null)[] = [];
    await limited({ limitMs: 60_000, onWait: (what) => told.push(what) }).run(sh("sleep 3; echo a"));
    expect(told).toEqual(["sh", null]);
  });
});

describe("a child that works", () => {
  test("is waited for as long as it gets on", async () => {
    const ending = new AbortController();
    const isWorking = limited({ limitMs: 1_000 }).run(sh("while :; do :; done"), { as: "work", signal: ending.signal });
    const first = await Promise.race([isWorking.catch((error) => error), new Promise((go) => setTimeout(go, 3_000))]);
    expect(first).toBeUndefined();
    ending.abort();
    await expect(isWorking).rejects.toMatchObject({ code: "interrupted" });
    await expect(limited().run(sh("sleep 600"), { as: "work" })).rejects.toMatchObject({
      message: expect.stringMatching(/^sh: no progress for/),
    });
  });

  test("is waited for as long as others get on with it", async () => {
    let bytes = 0;
    const progress = async () => bytes++;
    expect(await limited().run(sh("sleep 2"), { as: "work", progress })).toMatchObject({ exit: 0 });
    expect(bytes).toBeGreaterThan(1);
  });

  test("with locks has ten times as long, since libvirt says nothing while it changes something", async () => {
    expect(await limited().run(sh("sleep 1"), { inheritFds: [] })).toMatchObject({ exit: 0 });
    await expect(limited({ limitMs: 100 }).run(sh("sleep 600"), { inheritFds: [] })).rejects.toBeInstanceOf(NoAnswer);
  });
});

describe("an interruption", () => {
  test("ends what was asked, and lets what changes something end by itself", async () => {
    const command = new AbortController();
    const processes = limited({ limitMs: 60_000, signal: command.signal });
    const asked = processes.run(sh("sleep 600"));
    const changing = processes.run(sh("sleep 1; echo done"), { inheritFds: [] });
    command.abort();
    await expect(asked).rejects.toMatchObject({ code: "interrupted" });
    expect(await changing).toMatchObject({ stdout: "done\n" });
  });
});

/** A virsh that hangs where it is asked for a domain "still", or for anything once the file `off` is there. */
const VIRSH = `#!/bin/sh
echo start >> "$MARK/log"
echo() { case "$1" in --err) shift; printf 'error: %s\\n' "$*" >&2 ;; *) printf '%s' "$*" ;; esac; }
hang() { exec sleep 600; }
ask() { case "$*" in *still*) hang ;; *) printf 'answer\\n' ;; esac; }
hostname() { printf 'alpha\\n'; }
test -e "$MARK/off" && hang
if test $# -gt 3; then shift 3; "$@"; exit 0; fi
while IFS= read -r line; do test -e "$MARK/off" && hang; eval "$line"; done
test -e "$MARK/stays" && hang
exit 0
`;

describe("a libvirt that does not answer", () => {
  const virshOf = () => {
    writeFileSync(join(folder, "virsh"), VIRSH);
    chmodSync(join(folder, "virsh"), 0o755);
    const env = { PATH: `${folder}:${process.env.PATH}`, MARK: folder };
    const processes = createProcesses({ env, patience: { limitMs: ANSWER_MS, afterSignalMs: 0 } });
    return createVirsh(processes, "qemu:///system", SYSTEM_FOLDERS);
  };
  const starts = () => readFileSync(join(folder, "log"), "utf8").trim().split("\n").length;

  test("is waited for once, and then asked no more", async () => {
    const virsh = virshOf();
    expect(await virsh.output(["ask"])).toBe("answer\n");
    writeFileSync(join(folder, "off"), "");
    await expect(virsh.output(["ask"])).rejects.toMatchObject({ message: /^virsh ask: no answer within/ });
    const before = starts();
    await expect(virsh.batch([["ask", "--domain", "a"]])).rejects.toBeInstanceOf(NoAnswer);
    await expect(virsh.run(["ask"], { inheritFds: [] })).rejects.toBeInstanceOf(NoAnswer);
    expect(starts()).toBe(before);
    await until("nothing of it is left", async () => marked() === 0);
  });

  test("about one guest alone is asked about the others", async () => {
    const virsh = virshOf();
    await expect(virsh.run(["ask", "--domain", "still"])).rejects.toBeInstanceOf(NoAnswer);
    expect(await virsh.output(["ask", "--domain", "web1"])).toBe("answer\n");
    const before = starts();
    await expect(virsh.run(["ask", "--domain", "still"])).rejects.toBeInstanceOf(NoAnswer);
    expect(starts()).toBe(before);
    virsh.close();
  });

  test("keeps nobody from giving back his locks", async () => {
    const virsh = virshOf();
    writeFileSync(join(folder, "stays"), "");
    expect(await virsh.output(["ask"], { inheritFds: [2] })).toBe("answer\n");
    expect(marked()).toBe(2);
    await virsh.letGo([2]);
    expect(marked()).toBe(1); // it stays, and holds nothing
    virsh.close();
    for (const pid of markedPids()) process.kill(Number(pid), "SIGKILL");
    await until("nothing of it is left", async () => marked() === 0);
  });

  test("keeps no virsh behind that never heard of it", async () => {
    writeFileSync(join(folder, "off"), "");
    const virsh = virshOf();
    virsh.prepare({});
    await until("it has been started", async () => readdirSync(folder).includes("log"));
    virsh.close();
    await until("nothing of it is left", async () => marked() === 0);
  });
});
