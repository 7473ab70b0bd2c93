/** Which process is a domain's QEMU, where anybody may call one so: real processes, and answers of libvirt's. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type KnownBy, startedAt, strayProcesses } from "../../../src/host/stray-process.ts";
import type { Virsh } from "../../../src/host/virsh.ts";

const NOBODY = 65534;
let made = 0;
const newUuid = () => `11111111-2222-4333-8444-${String(process.pid * 1000 + made++).padStart(12, "0")}`;

/** Started with the words of a QEMU; it lives as long as the test. */
function called(uuid: string, as: { readonly uid?: number; readonly program?: string } = {}): ChildProcess {
  const { uid, program = "sh" } = as;
  const child = spawn(program, ["-c", "read line", "-uuid", uuid], {
    argv0: "qemu",
    cwd: "/",
    stdio: ["pipe", "ignore", "ignore"],
    ...(uid === undefined ? {} : { uid }),
  });
  onTestFinished(() => void child.stdin?.end());
  return child;
}

/** A libvirt that takes the domain for one that is off. */
function libvirt(qemuUser: number | "unknown" | null, seclabel = ""): KnownBy {
  const virsh = {
    run: async () => ({ exit: 0, stdout: "shut off\n\n", stderr: "" }),
    output: async () => `<domain type='kvm'><name>web1</name>${seclabel}</domain>`,
  } as unknown as Virsh;
  const capabilities = async () => {
    if (qemuUser === "unknown") throw new Error("libvirt does not say");
    return { qemuUser: qemuUser === null ? null : { uid: qemuUser, gid: qemuUser } };
  };
  return { virsh, capabilities };
}

test("ours is one that libvirt has lost, and tells since when it runs", async () => {
  const uuid = newUuid();
  expect(await strayProcesses(libvirt(null), [uuid])).toEqual(new Map());
  expect(await startedAt(libvirt(null), uuid)).toBeNull();
  const { pid } = called(uuid);
  expect(await strayProcesses(libvirt(null), [newUuid(), uuid])).toEqual(new Map([[uuid, pid]]));
  expect(await startedAt(libvirt(null), uuid)).toBeInstanceOf(Date);
});

describe.runIf(process.getuid?.() === 0)("another user's", () => {
  test("is none, whatever it says of itself, and hides none", async () => {
    const uuid = newUuid();
    called(uuid, { uid: NOBODY });
    expect(await strayProcesses(libvirt(64055), [uuid])).toEqual(new Map());
    expect(await strayProcesses(libvirt(null), [uuid])).toEqual(new Map());
    expect(await startedAt(libvirt(64055), uuid)).toBeNull();
    const { pid } = called(uuid);
    called(uuid, { uid: NOBODY });
    expect(await strayProcesses(libvirt(64055), [uuid])).toEqual(new Map([[uuid, pid]]));
    expect(await startedAt(libvirt(64055), uuid)).toBeInstanceOf(Date);
  });

  test.each([
    ["whom libvirt runs QEMU as", libvirt(NOBODY)],
    ["of whom nobody can say that", libvirt("unknown")],
    [
      "whom the domain's own label may name",
      libvirt(64055, "<seclabel type='static' model='dac' relabel='yes'><label>nobody:nogroup</label></seclabel>"),
    ],
  ])("is one, of a user %s", async (_, by) => {
    const uuid = newUuid();
    const { pid } = called(uuid, { uid: NOBODY });
    expect(await strayProcesses(by, [uuid])).toEqual(new Map([[uuid, pid]]));
  });

  test("is none where it is root's by a program that anybody may run as root", async () => {
    const folder = mkdtempSync(join(tmpdir(), "estrato-stray-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const program = join(folder, "sudo");
    copyFileSync("/bin/sh", program);
    chmodSync(program, 0o4755);
    const uuid = newUuid();
    called(uuid, { program });
    expect(await strayProcesses(libvirt(64055), [uuid])).toEqual(new Map());
  });
});
