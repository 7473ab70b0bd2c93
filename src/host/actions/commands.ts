/** Each action as the commands that carry it out. `perform` runs these very commands where an action is one. */
import { dirname, resolve } from "node:path";
import { accessCommands } from "../access.ts";
import { crontabCommands } from "../crontab.ts";
import { encryptionXml } from "../domain-new.ts";
import { tpmFolder } from "../libvirt-folders.ts";
import { absolutePath, encryptedName, encryptedOptions, qemuImg, secretId, secretObject } from "../qemu-img.ts";
import { secretPath } from "../secrets.ts";
import { seedCommand } from "../seed.ts";
import type { Action, Command, CopyEncryption } from "../types.ts";
import { escapeXml } from "../xml.ts";

type Of<Do extends Action["do"]> = Extract<Action, { do: Do }>;
type Virsh = (...args: readonly string[]) => Command;

/**
 * The commands of an action, in order, as a person would type them. Pure. `below`: how many files the image stands on that an action works on,
 * and, last, the one that it is to stand on; only encrypted ones must know.
 */
export function commandsFor(action: Action, virsh: Virsh, below: Below = ONE_EACH): Command[] {
  switch (action.do) {
    case "create-disk":
      return [createDisk(action, action.path)];
    case "switch-disks":
      return switchDisks(action, `${action.domain}-snapshot.xml`).map((args) => virsh(...args));
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
      if (action.secret !== undefined) {
        return [qemuImg("commit", "-d", ...secretObject(), encryptedName(action.top, below.image))];
      }
      return [qemuImg("commit", "-d", "-f", action.topFormat, "-b", action.base, absolutePath(action.top))];
    case "rebase":
      return action.secret === undefined ? [rebase(action.file, action.backing, [])] : encryptedRebase(action, below);
    case "relink":
      return [action.secret === undefined ? rebase(action.file, action.backing, ["-u"]) : encryptedRelink(action)];
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
      return [{ program: "install", args: ["-m", (action.mode ?? 0o600).toString(8), "/dev/stdin", action.path] }];
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
      return [convert(action, `${action.to}.part`, below), { program: "mv", args: [`${action.to}.part`, action.to] }];
    case "convert-delta":
      return [...convertDelta(action, action.to), { program: "mv", args: [`${action.to}.part`, action.to] }];
    case "move-folder":
      return [{ program: "mv", args: ["-n", "-T", action.from, action.to] }];
    case "discard-folder":
      return [{ program: "rm", args: ["-rf", action.path] }];
    case "move-file":
      return [{ program: "mv", args: [action.replace ? "-f" : "-n", "-T", action.from, action.to] }];
    case "resize-disk":
      return [resize(action, below)];
    case "define-secret":
      return [
        virsh("secret-define", `${action.secret}.xml`),
        virsh("secret-set-value", "--secret", action.secret, "--plain", "--file", secretPath()),
      ];
    case "undefine-secret":
      return [virsh("secret-undefine", action.secret)];
    case "reserve-address":
      return [virsh(...updateNetwork(action.network, "add-last", hostXml(action), ["--live", "--config"]))];
    case "release-address":
      return [
        virsh(...updateNetwork(action.network, "delete", hostXml({ ...action, name: "" }), ["--live", "--config"])),
      ];
    case "run-hook":
      return [{ program: action.path, args: [] }];
    case "set-crontab":
      return crontabCommands(action);
    case "create-seed":
      return [seedCommand(action.path, `${dirname(action.path)}/seed`)];
  }
}

/**
 * QEMU's default clusters, written out. Sub-clusters (extended_l2) would copy less under small writes, but a head must
 * be readable by every tool that a person may need in trouble, and bytes come before speed.
 */
const HEAD_OPTIONS = "compat=1.1,cluster_size=65536,lazy_refcounts=off";

/**
 * How long a computer like this one works on each guess of a passphrase, and on each opening of each file of a chain: half a million rounds of
 * SHA-256. QEMU's own 2000 ms would make the start of a guest on ten layers last 20 s; making a file takes 2 s more, whatever the figure, in which
 * QEMU measures the computer.
 */
const LUKS_OPTIONS = "encrypt.format=luks,encrypt.iter-time=250";

function luksOptions(index: number): string {
  return `${LUKS_OPTIONS},encrypt.key-secret=${secretId(index)}`;
}

/** How many files an image stands on, and the one that it is to stand on. */
export interface Below {
  readonly image: number;
  readonly backing: number;
}

const ONE_EACH: Below = { image: 1, backing: 0 };

export function createDisk({ backing, sizeBytes, secret }: Of<"create-disk">, path: string): Command {
  const stands = backing === null ? [] : ["-b", backing.path, "-F", backing.format];
  const object = secret === undefined ? [] : secretObject();
  const options = secret === undefined ? HEAD_OPTIONS : `${HEAD_OPTIONS},${luksOptions(0)}`;
  const size = String(sizeBytes);
  return qemuImg("create", "-q", "-f", "qcow2", ...object, "-o", options, ...stands, absolutePath(path), size);
}

/** The secrets that a copy needs, each once, in the order in which the child gets them: what opens its source first. */
export function secretsOfCopy({ secret, encrypt }: Of<"convert">): CopyEncryption[] {
  const source = secret === undefined ? [] : [{ secret }];
  const same = encrypt !== undefined && "secret" in encrypt && encrypt.secret === secret;
  return encrypt === undefined || same ? source : [...source, encrypt];
}

export function convert(action: Of<"convert">, to: string, below: Below = ONE_EACH): Command {
  const secrets = secretsOfCopy(action);
  return qemuImg(
    "convert",
    "-p",
    ...secrets.flatMap((_, index) => secretObject(index)),
    ...(action.secret === undefined ? ["-f", action.fromFormat] : []),
    "-O",
    action.toFormat,
    ...(action.encrypt === undefined ? [] : ["-o", luksOptions(secrets.length - 1)]),
    ...(action.compress ? ["-c"] : []),
    action.secret === undefined ? absolutePath(action.from) : encryptedName(action.from, below.image),
    absolutePath(to),
  );
}

/**
 * Delta by delta into `to`.part: `-n -B` writes only what a layer itself holds, the next one over it (one layer at a time: with two, convert
 * would silently leave one out). Compressing needs a pass of its own, since a compressed cluster cannot be written twice.
 */
export function convertDelta(action: Of<"convert-delta">, to: string, below?: DeltaBelow): Command[] {
  const { layers, backing, sizeBytes, compress } = action;
  if (action.encrypt !== undefined) return encryptedDelta(action, to, below);
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

/** How many files the target stands on, and each of the layers; only encrypted ones must know. */
export interface DeltaBelow {
  readonly target: number;
  readonly layers: readonly number[];
}

/** The secrets that a delta needs, each once: that of its layers first. */
export function secretsOfDelta({ layers, encrypt }: Of<"convert-delta">): CopyEncryption[] {
  const secret = layers.find((layer) => layer.secret !== undefined)?.secret;
  return [...(secret === undefined ? [] : [{ secret }]), ...(encrypt === undefined ? [] : [encrypt])];
}

/** Measured on 7.2: a copy into a target that is named by its options takes -B as any other. */
function encryptedDelta(action: Of<"convert-delta">, to: string, below?: DeltaBelow): Command[] {
  const { layers, backing, sizeBytes } = action;
  const part = `${to}.part`;
  const secrets = secretsOfDelta(action);
  const objects = secrets.flatMap((_, index) => secretObject(index));
  const own = secrets.length - 1;
  const options = `${HEAD_OPTIONS},${luksOptions(own)}`;
  const stands = ["-b", backing.path, "-F", backing.format];
  const made = qemuImg("create", "-q", "-f", "qcow2", ...objects, "-o", options, ...stands, part, String(sizeBytes));
  const target = encryptedOptions(part, below?.target ?? 1, own);
  const under = ["-B", resolve(dirname(to), backing.path), "-F", backing.format];
  const copies = layers.map(({ path, format, secret }, index) => {
    const source =
      secret === undefined
        ? ["-f", format, "--target-image-opts", ...under, absolutePath(path)]
        : ["--target-image-opts", ...under, encryptedName(path, below?.layers[index] ?? 1)];
    return qemuImg("convert", "-p", "-n", ...objects, ...source, target);
  });
  return [made, ...copies];
}

function resize({ path, format, sizeBytes, secret }: Of<"resize-disk">, below: Below): Command {
  if (secret === undefined) return qemuImg("resize", "-f", format, absolutePath(path), String(sizeBytes));
  return qemuImg("resize", ...secretObject(), encryptedName(path, below.image), String(sizeBytes));
}

/**
 * qemu-img opens what a file is to stand on by its name alone, so that name must say the secret, and it goes into the header (measured on both
 * generations). The second command puts the plain name there. Killed in between, the chain reads the same, and whoever repeats it finishes it.
 */
function encryptedRebase({ file, backing }: Of<"rebase">, below: Below): Command[] {
  const name = encryptedName(file, below.image);
  if (backing === null) return [qemuImg("rebase", ...secretObject(), "-b", "", name)];
  const onto = encryptedName(backing.path, below.backing);
  return [
    qemuImg("rebase", ...secretObject(), "-b", onto, "-F", backing.format, name),
    encryptedRelink({ file, backing }),
  ];
}

/** Opens neither what it stands on nor what it will. */
function encryptedRelink({ file, backing }: Pick<Of<"relink">, "file" | "backing">): Command {
  const { path, format } = backing;
  return qemuImg("rebase", "-u", ...secretObject(), "-b", path, "-F", format, encryptedName(file, 0));
}

function rebase(file: string, backing: Of<"rebase">["backing"], how: readonly string[]): Command {
  const onto = backing === null ? ["-b", ""] : ["-b", backing.path, "-F", backing.format];
  return qemuImg("rebase", ...how, "-f", "qcow2", ...onto, absolutePath(file));
}

/**
 * The agent's time limit and the switch, the freeze inside it: a freeze of our own would outlive a kill -9 of us. The secret of an encrypted head
 * can only be said in a document (switchXml), which is then at `xmlPath`.
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
