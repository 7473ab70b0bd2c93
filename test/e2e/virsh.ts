/**
 * virsh, kept for one line after the other: a process of its own costs each of thousands of questions more than the
 * answer.
 */
import { SYSTEM_FOLDERS } from "../../src/host/libvirt-folders.ts";
import { createProcesses } from "../../src/host/process.ts";
import { createVirsh } from "../../src/host/virsh.ts";
import type { Ran } from "./processes.ts";

const kept = createVirsh(createProcesses({ env: process.env }), "qemu:///system", SYSTEM_FOLDERS);

/** `virsh ARGS`, whatever it answers. */
export async function tryVirsh(...args: string[]): Promise<Ran> {
  const { exit, stdout, stderr } = await kept.run(args);
  return { code: exit, signal: null, stdout, stderr };
}

/** Must exit 0; returns what it says without the last newline. */
export async function virsh(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await tryVirsh(...args);
  if (code !== 0) throw new Error(`virsh ${args.join(" ")}: exit ${code}\n${stdout}${stderr}`);
  return stdout.replace(/\n$/, "");
}
