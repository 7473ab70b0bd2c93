/** Each action as the commands that carry it out. `perform` runs these very commands where an action is one. */
import { dirname, resolve } from "node:path";
import { accessCommands } from "../access.ts";
import { tpmFolder } from "../libvirt-folders.ts";
import { absolutePath, qemuImg } from "../qemu-img.ts";
import { seedCommand } from "../seed.ts";
import type { Action, Command } from "../types.ts";

type Of<Do extends Action["do"]> = Extract<Action, { do: Do }>;
type Virsh = (...args: readonly string[]) => Command;

/** The commands of an action, in order, as a person would type them. Pure. */
export function commandsFor(action: Action, virsh: Virsh): Command[] {
  switch (action.do) {
    case "create-disk":
      return [createDisk(action, action.path)];
    case "switch-disks":
      return switchDisks(action).map((args) => virsh(...args));
    case "await-job":
      return [virsh("domjobinfo", action.domain)];
    case "sync-clock":
      return [virsh("domtime", action.domain, "--sync")];
    case "thaw":
      return [virsh("qemu-agent-command", action.domain, '{"execute":"guest-fsfreeze-thaw"}', "--timeout", "5")];
    case "define":
      return [virsh("define", `${nameIn(action.xml)}.xml`)];
    case "redefine":
      return [
        virsh("dumpxml", action.domain, "--inactive", "--security-info"),
        virsh("define", `${action.domain}.xml`),
      ];
    case "undefine":
      return [virsh("undefine", action.domain, action.nvram ? "--nvram" : "--keep-nvram", "--keep-tpm")];
    case "start":
      return [virsh("start", action.domain, ...(action.paused ? ["--paused"] : []))];
    case "shutdown":
      return [virsh("shutdown", action.domain), ...(action.thenDestroy ? [virsh("destroy", action.domain)] : [])];
    case "reboot":
      return [virsh(action.hard ? "reset" : "reboot", action.domain)];
    case "destroy":
    case "suspend":
    case "resume":
      return [virsh(action.do, action.domain)];
    case "autostart":
      return [virsh("autostart", action.domain, ...(action.on ? [] : ["--disable"]))];
    case "rename":
      return [virsh("domrename", action.domain, action.name)];
    case "commit":
      return [qemuImg("commit", "-d", "-f", action.topFormat, "-b", action.base, absolutePath(action.top))];
    case "rebase":
      return [rebase(action.file, action.backing, [])];
    case "relink":
      return [rebase(action.file, action.backing, ["-u"])];
    case "block-pull":
      return [
        virsh("blockpull", action.domain, action.device, ...(action.base === null ? [] : ["--base", action.base])),
      ];
    case "block-commit":
      return [virsh("blockcommit", action.domain, action.device, "--top", action.top, "--base", action.base)];
    case "block-commit-active":
      return [
        ...(action.part === "pivot"
          ? []
          : [virsh("blockcommit", action.domain, action.device, "--active", "--base", action.base)]),
        ...(action.part === "ready" ? [] : [virsh("blockjob", action.domain, action.device, "--pivot")]),
      ];
    case "settle-job":
      return [virsh("blockjob", action.domain, action.device, action.abort ? "--abort" : "--info")];
    case "restore-memory":
      return [virsh(...restoreMemory(action, `${nameIn(action.xml)}.xml`))];
    case "attach-disk":
      return [virsh("attach-device", action.domain, `${action.disk.device}.xml`, "--live", "--config")];
    case "detach-disk":
      return [virsh("detach-disk", action.domain, action.device, "--live", "--config")];
    case "block-resize":
      return [virsh("blockresize", action.domain, action.device, `${action.sizeBytes}b`)];
    case "set-mode":
      return [{ program: "chmod", args: [action.mode.toString(8), action.path] }];
    case "set-access":
      return accessCommands(action);
    case "open-passage":
      return [{ program: "chmod", args: ["a+x", action.path] }];
    case "make-folder":
      return [{ program: "mkdir", args: ["-m", "700", "-p", action.path] }];
    case "remove-folder":
      return [{ program: "rmdir", args: [action.path] }];
    case "write-file":
      return [{ program: "install", args: ["-m", "600", "/dev/stdin", action.path] }];
    case "mark-use":
      return [action.on ? { program: "touch", args: [action.path] } : { program: "rm", args: ["-f", action.path] }];
    case "set-owner":
      return [{ program: "chown", args: [`${action.uid}:${action.gid}`, action.path] }];
    case "sync":
      return [{ program: "sync", args: [action.path] }];
    case "unlink":
      return [{ program: "rm", args: ["-f", action.path] }];
    case "copy-file":
      return [{ program: "install", args: ["-m", action.mode.toString(8), action.from, action.to] }];
    case "save-tpm":
      return [{ program: "install", args: ["-m", "400", action.from, action.to] }];
    case "place-tpm":
      return [{ program: "install", args: ["-D", "-m", "600", action.from, action.to] }];
    case "remove-tpm":
      return [{ program: "rm", args: ["-rf", tpmFolder(action.domain)] }];
    case "convert":
      return [convert(action, `${action.to}.part`), { program: "mv", args: [`${action.to}.part`, action.to] }];
    case "convert-delta":
      return [...convertDelta(action, action.to), { program: "mv", args: [`${action.to}.part`, action.to] }];
    case "move-folder":
      return [{ program: "mv", args: ["-n", "-T", action.from, action.to] }];
    case "discard-folder":
      return [{ program: "rm", args: ["-rf", action.path] }];
    case "move-file":
      return [{ program: "mv", args: [action.replace ? "-f" : "-n", "-T", action.from, action.to] }];
    case "resize-disk":
      return [qemuImg("resize", "-f", action.format, absolutePath(action.path), String(action.sizeBytes))];
    case "reserve-address":
      return [virsh(...updateNetwork(action.network, "add-last", hostXml(action), ["--live", "--config"]))];
    case "release-address":
      return [
        virsh(...updateNetwork(action.network, "delete", hostXml({ ...action, name: "" }), ["--live", "--config"])),
      ];
    case "create-seed":
      return [seedCommand(action.path, `${dirname(action.path)}/seed`)];
  }
}

/**
 * QEMU's default clusters, written out. Sub-clusters (extended_l2) would copy less under small writes, but a head must
 * be readable by every tool that a person may need in trouble, and bytes come before speed.
 */
const HEAD_OPTIONS = "compat=1.1,cluster_size=65536,lazy_refcounts=off";

export function createDisk({ backing, sizeBytes }: Of<"create-disk">, path: string): Command {
  const stands = backing === null ? [] : ["-b", backing.path, "-F", backing.format];
  return qemuImg("create", "-q", "-f", "qcow2", "-o", HEAD_OPTIONS, ...stands, absolutePath(path), String(sizeBytes));
}

export function convert(action: Of<"convert">, to: string): Command {
  return qemuImg(
    "convert",
    "-p",
    "-f",
    action.fromFormat,
    "-O",
    action.toFormat,
    ...(action.compress ? ["-c"] : []),
    absolutePath(action.from),
    absolutePath(to),
  );
}

/**
 * Delta by delta into `to`.part: `-n -B` writes only what a layer itself holds, the next one over it (one layer at a time: with two, convert
 * would silently leave one out). Compressing needs a pass of its own, since a compressed cluster cannot be written twice.
 */
export function convertDelta({ layers, backing, sizeBytes, compress }: Of<"convert-delta">, to: string): Command[] {
  const last = `${to}.part`;
  const plain = compress ? `${to}.plain.part` : last;
  const stands = [backing.path, "-F", backing.format];
  // convert opens -B from where we are, create and the header from where the file is.
  const under = [resolve(dirname(to), backing.path), "-F", backing.format];
  const made = qemuImg("create", "-q", "-f", "qcow2", "-o", HEAD_OPTIONS, "-b", ...stands, plain, String(sizeBytes));
  const copies = layers.map(({ path, format }) =>
    qemuImg("convert", "-p", "-n", "-f", format, "-O", "qcow2", "-B", ...under, absolutePath(path), plain),
  );
  if (!compress) return [made, ...copies];
  const pressed = qemuImg("convert", "-p", "-c", "-f", "qcow2", "-O", "qcow2", "-B", ...under, plain, last);
  const named = qemuImg("rebase", "-u", "-f", "qcow2", "-b", ...stands, last);
  return [made, ...copies, pressed, named];
}

function rebase(file: string, backing: Of<"rebase">["backing"], how: readonly string[]): Command {
  const onto = backing === null ? ["-b", ""] : ["-b", backing.path, "-F", backing.format];
  return qemuImg("rebase", ...how, "-f", "qcow2", ...onto, absolutePath(file));
}

/** The agent's time limit and the switch, the freeze inside it: a freeze of our own would outlive a kill -9 of us. */
export function switchDisks(action: Of<"switch-disks">): string[][] {
  const specs = [
    ...action.disks.map(({ device, path }) => `${device},snapshot=external,file=${escapeSpec(absolutePath(path))}`),
    ...action.excluded.map((device) => `${device},snapshot=no`),
  ];
  const { memory } = action;
  const state =
    memory === undefined
      ? ["--disk-only"]
      : ["--live", "--memspec", `file=${escapeSpec(absolutePath(memory))},snapshot=external`];
  const limit = ["guest-agent-timeout", "--domain", action.domain, "--timeout", "5"];
  return [
    ...(action.quiesce ? [limit] : []),
    [
      "snapshot-create-as",
      "--domain",
      action.domain,
      ...state,
      "--atomic",
      "--no-metadata",
      "--reuse-external",
      ...(action.quiesce ? ["--quiesce"] : []),
      ...specs.flatMap((spec) => ["--diskspec", spec]),
    ],
  ];
}

export function restoreMemory(action: Of<"restore-memory">, xmlPath: string): string[] {
  return ["restore", absolutePath(action.memory), "--xml", xmlPath, action.paused ? "--paused" : "--running"];
}

/** A comma ends a value of --diskspec, two are one (virsh(1)). */
function escapeSpec(path: string): string {
  return path.replaceAll(",", ",,");
}

export function updateNetwork(
  network: string,
  verb: "add-last" | "delete",
  xml: string,
  where: readonly string[],
): string[] {
  return ["net-update", "--network", network, verb, "ip-dhcp-host", xml, ...where];
}

/** A name that DNS does not allow is left out: dnsmasq would read a comma in it as its own. */
export function hostXml(host: { readonly mac: string; readonly ip: string; readonly name: string }): string {
  const name = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(host.name) ? ` name='${host.name}'` : "";
  return `<host mac='${escapeAttribute(host.mac)}'${name} ip='${escapeAttribute(host.ip)}'/>`;
}

function escapeAttribute(text: string): string {
  return text.replace(/[^0-9A-Za-z.:-]/g, "");
}

function nameIn(xml: string): string {
  return /<name>([^<]*)<\/name>/.exec(xml)?.[1] ?? "domain";
}
