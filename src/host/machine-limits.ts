/**
 * What a machine can have here at most. Sources: libvirt.org/formatdomaincaps.html; the kernel's
 * Documentation/mm/overcommit-accounting.
 */
import { readFile } from "node:fs/promises";
import type { MachineLimits } from "../core/model/host.ts";
import { definitionRoot } from "./domain-xml.ts";
import type { Virsh } from "./virsh.ts";
import { attribute, childAt, readXml } from "./xml.ts";

/** For a machine of the kind that this definition is of. */
export async function readMachineLimits(virsh: Virsh, xml: string): Promise<MachineLimits> {
  const root = definitionRoot(xml);
  const type = childAt(root, "os", "type");
  const kind = {
    "--virttype": attribute(root, "type"),
    "--arch": attribute(type, "arch"),
    "--machine": attribute(type, "machine"),
  };
  const named = Object.entries(kind).flatMap(([option, value]) => (value === null ? [] : [option, value]));
  const [answer] = await virsh.batch([["domcapabilities", ...named]]);
  const isElsewhere = childAt(root, "memoryBacking", "source") !== null; // in a file: nobody counts it
  return {
    vcpus: answer === undefined || answer.error !== null ? null : parseMostVcpus(answer.text),
    ramBytes: isElsewhere
      ? null
      : mostMemory({
          meminfo: await readFile("/proc/meminfo", "utf8").catch(() => ""),
          overcommit: await readFile("/proc/sys/vm/overcommit_memory", "utf8").catch(() => ""),
        }),
  };
}

/** From the answer of `virsh domcapabilities`; null where it does not say. */
export function parseMostVcpus(xml: string): number | null {
  const most = Number(attribute(childAt(readXml(xml, "domainCapabilities"), "vcpu"), "max") ?? Number.NaN);
  return most > 0 ? most : null;
}

/**
 * In bytes: all memory and all swap, beyond which the kernel gives QEMU none at once, however little of it is used
 * (measured: 1 MiB less starts, 2 MiB more does not). Null where it was told to refuse nothing, and where it does not
 * say.
 */
export function mostMemory(kernel: { readonly meminfo: string; readonly overcommit: string }): number | null {
  if (kernel.overcommit.trim() === "1") return null;
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(kernel.meminfo)?.[1] ?? 0);
  const total = kib("MemTotal") + kib("SwapTotal");
  return total === 0 ? null : total * 1024;
}
