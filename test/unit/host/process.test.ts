import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ChildTrace } from "../../../src/host/child.ts";
import { childEnvironment, createProcesses } from "../../../src/host/process.ts";

const sh = (line: string) => ({ program: "sh", args: ["-c", line] });

test("a child has one locale and not the variable that slows Node down", () => {
  const env = childEnvironment({ PATH: "/bin", NODE_EXTRA_CA_CERTS: "/ca", LANGUAGE: "es", LC_ALL: "es_ES" });
  expect(env).toEqual({ PATH: "/bin", LC_ALL: "C.UTF-8" });
});

test("a child's answer comes as it is, and each child is traced", async () => {
  const seen: ChildTrace[] = [];
  let nowMs = 0;
  const processes = createProcesses({
    env: process.env,
    trace: (child) => seen.push(child),
    nowMs: () => {
      nowMs += 7;
      return nowMs;
    },
  });
  expect(await processes.run(sh("echo out; echo err >&2; exit 3"))).toEqual({
    exit: 3,
    stdout: "out\n",
    stderr: "err\n",
  });
  expect(seen).toEqual([{ program: "sh", args: ["-c", "echo out; echo err >&2; exit 3"], ms: 7, exit: 3 }]);
});

test("a program that is missing names the package that has it", async () => {
  const processes = createProcesses({ env: { PATH: "/nowhere" } });
  await expect(processes.output({ program: "qemu-img", args: ["info"] })).rejects.toMatchObject({
    code: "host",
    hint: "Install the Debian package qemu-utils.",
  });
  const read = async () => {
    for await (const _ of processes.lines({ program: "qemu-img", args: ["map"] })) expect.unreachable();
  };
  await expect(read()).rejects.toMatchObject({ code: "host" });
});

test("a child that ends with us is named where it is missing, and not who was to run it", async () => {
  const processes = createProcesses({ env: process.env });
  await expect(processes.run({ program: "no-such-curl", args: [] }, { endsWithUs: true })).rejects.toMatchObject({
    code: "host",
    message: "no-such-curl: the program is not installed",
  });
});

test("a child inherits the descriptors of the locks", async () => {
  const folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
  const fd = openSync(join(folder, "lock"), "w");
  await createProcesses({ env: process.env }).output(sh("echo held >&3"), { inheritFds: [fd] });
  expect(readFileSync(join(folder, "lock"), "utf8")).toBe("held\n");
  rmSync(folder, { recursive: true });
});

test("a child leads a process group of its own, so that Ctrl-C does not reach it", async () => {
  const group = await createProcesses({ env: process.env }).output(sh("cut -d' ' -f1,5 /proc/self/stat; echo $$"));
  const [stat = "", own] = group.trim().split("\n");
  expect(stat.split(" ")[1]).toBe(own);
});

test("lines come one by one, and a failure at their end is told", async () => {
  const lines: string[] = [];
  const read = async () => {
    for await (const line of createProcesses({ env: process.env }).lines(sh("echo a; echo b; echo no >&2; exit 1")))
      lines.push(line);
  };
  await expect(read()).rejects.toMatchObject({ code: "failed", message: "sh: no" });
  expect(lines).toEqual(["a", "b"]);
});

test("a child that may be cut ends with its signal, and that is an interruption", async () => {
  const controller = new AbortController();
  const processes = createProcesses({ env: process.env });
  const running = processes.run(sh("echo started; exec sleep 600"), {
    signal: controller.signal,
    onOutput: () => controller.abort(),
  });
  await expect(running).rejects.toMatchObject({ code: "interrupted" });
  await expect(processes.run(sh("exit 0"), { signal: controller.signal })).rejects.toMatchObject({
    code: "interrupted",
  });
});

test("a program that owns the terminal gives its exit code", async () => {
  expect(await createProcesses({ env: process.env }).interactive(sh("exit 4"))).toBe(4);
});
