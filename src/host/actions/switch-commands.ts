/**
 * How virsh is told to switch a running guest onto other files: a snapshot, with its memory or without, and the way
 * back to that.
 */
import type { Action } from "../../core/model/action.ts";
import { encryptionXml } from "../domain-new.ts";
import { absolutePath } from "../qemu-img.ts";
import { escapeXml } from "../xml.ts";

type Of<Do extends Action["do"]> = Extract<Action, { do: Do }>;

/**
 * The agent's time limit and the switch, the freeze inside it: a freeze of our own would outlive a kill -9 of us. The
 * secret of an encrypted head can only be said in a document (switchXml), which is then at `xmlPath`.
 */
export function switchDisks(action: Of<"switch-disks">, xmlPath: string): string[][] {
  const limit = ["guest-agent-timeout", "--domain", action.domain, "--timeout", "5"];
  const flags = ["--atomic", "--no-metadata", "--reuse-external", ...(action.quiesce ? ["--quiesce"] : [])];
  const encrypted = action.disks.some(({ secret }) => secret !== undefined);
  return [
    ...(action.quiesce ? [limit] : []),
    encrypted ? switchByDocument(action, xmlPath, flags) : switchByOptions(action, flags),
  ];
}

function switchByDocument({ domain, memory }: Of<"switch-disks">, xmlPath: string, flags: readonly string[]): string[] {
  return ["snapshot-create", "--domain", domain, xmlPath, memory === undefined ? "--disk-only" : "--live", ...flags];
}

function switchByOptions({ domain, disks, excluded, memory }: Of<"switch-disks">, flags: readonly string[]): string[] {
  const specs = [
    ...disks.map(({ device, path }) => `${device},snapshot=external,file=${escapeSpec(absolutePath(path))}`),
    ...excluded.map((device) => `${device},snapshot=no`),
  ];
  const state =
    memory === undefined
      ? ["--disk-only"]
      : ["--live", "--memspec", `file=${escapeSpec(absolutePath(memory))},snapshot=external`];
  const named = specs.flatMap((spec) => ["--diskspec", spec]);
  return ["snapshot-create-as", "--domain", domain, ...state, ...flags, ...named];
}

/** The same switch as a document. Source of the words: libvirt.org/formatsnapshot.html. */
export function switchXml({ disks, excluded, memory }: Of<"switch-disks">): string {
  const heads = disks.map(
    ({ device, path, secret }) =>
      `    <disk name='${escapeXml(device)}' snapshot='external' type='file'><driver type='qcow2'/><source file='${escapeXml(absolutePath(path))}'>${secret === undefined ? "" : encryptionXml(secret)}</source></disk>`,
  );
  const others = excluded.map((device) => `    <disk name='${escapeXml(device)}' snapshot='no'/>`);
  const saved =
    memory === undefined ? "" : `  <memory snapshot='external' file='${escapeXml(absolutePath(memory))}'/>\n`;
  return `<domainsnapshot>\n${saved}  <disks>\n${[...heads, ...others].join("\n")}\n  </disks>\n</domainsnapshot>\n`;
}

export function restoreMemory(action: Of<"restore-memory">, xmlPath: string): string[] {
  return ["restore", absolutePath(action.memory), "--xml", xmlPath, action.paused ? "--paused" : "--running"];
}

/** A comma ends a value of --diskspec, two are one (virsh(1)). */
function escapeSpec(path: string): string {
  return path.replaceAll(",", ",,");
}
