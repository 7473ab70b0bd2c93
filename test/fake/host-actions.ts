/** What each action does to the simulated machine. `reach` "half": the process is killed in the middle of it. */
import { dirname } from "node:path";
import type { Action } from "../../src/core/model/action.ts";
import { EstratoError } from "../../src/errors.ts";
import { withLines } from "../../src/host/crontab.ts";
import { editDefinition } from "../../src/host/domain-edit.ts";
import { SYSTEM_FOLDERS, tpmFolder } from "../../src/host/libvirt-folders.ts";
import { MissingProgram } from "../../src/host/process-failure.ts";
import { attach, detach, openDisk, switchDisks } from "./host-disks.ts";
import {
  define,
  destroy,
  domainAt,
  findDomain,
  requireRunning,
  setForwards,
  start,
  undefine,
  withMark,
} from "./host-domains.ts";
import { convert, convertDelta, createDisk, download, resize, sysprep, unlink } from "./host-files.ts";
import { discardFolder, moveFolder } from "./host-folders.ts";
import {
  chainAt,
  commitInto,
  fileAt,
  newFile,
  type Reach,
  rebaseOnto,
  requireReadable,
  requireWritable,
} from "./host-images.ts";
import { blockJob, settleJob } from "./host-jobs.ts";
import { type FakeMachine, isReadOnly } from "./host-machine.ts";
import { restoreMemory } from "./host-memory.ts";
import { defineSecret, requireOpened } from "./host-secrets.ts";

type Of<Do extends Action["do"]> = Extract<Action, { do: Do }>;

type Effects = { readonly [Do in Action["do"]]: (machine: FakeMachine, action: Of<Do>, reach: Reach) => void };

export function carryOut(machine: FakeMachine, action: Action, reach: Reach): void {
  const effect = EFFECTS[action.do] as (machine: FakeMachine, action: Action, reach: Reach) => void;
  effect(machine, action, reach);
}

export function crontabOf({ crontab }: FakeMachine): string {
  if (crontab === null) throw new MissingProgram("crontab");
  return crontab;
}

const EFFECTS: Effects = {
  "create-disk": createDisk,
  "switch-disks": switchDisks,
  "await-job": () => undefined,
  "sync-clock": () => undefined,
  sync: (machine, action) => void fileAt(machine, action.path),
  thaw(machine, action) {
    const domain = findDomain(machine, action.domain);
    if (domain?.agent) domain.frozen = false;
  },
  define: (machine, action) => define(machine, action.xml),
  redefine(machine, action) {
    const domain = domainAt(machine, action.domain);
    const disks = Object.fromEntries(action.disks.map(({ device, ...file }) => [device, file]));
    domain.inactive = editDefinition(domain.inactive, { disks, dropBackingStore: true });
  },
  undefine: (machine, action) => undefine(machine, action.domain, action.saved ?? false),
  start: (machine, action) => start(machine, action.domain, action.paused),
  destroy: (machine, action) => destroy(machine, action.domain, "destroyed"),
  shutdown,
  reboot: (machine, action) => void requireRunning(machine, action.domain),
  suspend(machine, action) {
    requireRunning(machine, action.domain).state = "paused";
  },
  resume(machine, action) {
    Object.assign(requireRunning(machine, action.domain), { state: "running", asleep: false });
  },
  autostart(machine, action) {
    domainAt(machine, action.domain).autostart = action.on;
  },
  "mark-domain"(machine, { domain, mark, on }) {
    if (findDomain(machine, domain) === null && !on) return;
    const found = domainAt(machine, domain);
    found.inactive = withMark(found.inactive, domain, mark, on);
    found.live &&= withMark(found.live, domain, mark, on);
  },
  rename(machine, action) {
    const domain = domainAt(machine, action.domain);
    if (domain.live !== null) throw new EstratoError("failed", "virsh domrename: cannot rename active domain");
    const other = findDomain(machine, action.name);
    if (other !== null && other !== domain)
      throw new EstratoError("failed", `virsh domrename: domain '${action.name}' already exists`);
    domain.inactive = editDefinition(domain.inactive, { name: action.name });
  },
  commit(machine, action, reach) {
    if (fileAt(machine, action.top).backing?.path !== action.base) {
      throw new EstratoError("integrity", `${action.top}: it does not stand on ${action.base}`);
    }
    requireReadable(machine, action.top);
    requireWritable(machine, action.base);
    requireOpened(machine, chainAt(machine, action.top), action.secret);
    commitInto(machine, [action.top], action.base, reach);
  },
  rebase(machine, action, reach) {
    requireWritable(machine, action.file);
    requireOpened(machine, chainAt(machine, action.file), action.secret);
    if (action.backing) requireOpened(machine, chainAt(machine, action.backing.path), action.secret);
    rebaseOnto(machine, action.file, action.backing, reach);
  },
  relink(machine, action, reach) {
    requireWritable(machine, action.file);
    requireOpened(machine, [action.file], action.secret);
    if (reach === "whole") fileAt(machine, action.file).backing = { ...action.backing };
  },
  download,
  sysprep,
  "block-pull": blockJob,
  "block-commit": blockJob,
  "block-commit-active": blockJob,
  "settle-job": settleJob,
  "close-unused"(machine, action) {
    const domain = findDomain(machine, action.domain);
    if (domain) domain.unused = domain.unused.filter((path) => path !== action.path);
  },
  "restore-memory": restoreMemory,
  "set-forwards": setForwards,
  "attach-disk": attach,
  "detach-disk": detach,
  "block-resize"(machine, action) {
    const head = fileAt(machine, openDisk(requireRunning(machine, action.domain), action.device).chain[0] ?? "");
    if (head.sizeBytes > action.sizeBytes) {
      throw new EstratoError("failed", `${action.device}: a disk cannot become smaller`);
    }
    head.sizeBytes = action.sizeBytes;
  },
  "define-secret": defineSecret,
  "undefine-secret": (machine, action) => void machine.secrets.delete(action.secret),
  "set-mode"(machine, { path, mode, ifThere = false }) {
    if (ifThere && !machine.files.has(path)) return;
    const words = `ENOENT: no such file or directory, stat '${path}'`; // as Node says it
    if (!machine.files.has(path)) throw Object.assign(new Error(words), { code: "ENOENT", syscall: "stat", path });
    fileAt(machine, path).mode = mode;
  },
  "set-access"(machine, action) {
    const file = machine.files.get(action.path);
    if (file) file.mode = action.mode;
    else if (!machine.folders.has(action.path))
      throw new EstratoError("failed", `setfacl: ${action.path}: no such file`);
    machine.readers.set(action.path, [...action.readers]);
  },
  "open-passage": () => undefined,
  "make-folder": (machine, action) => void machine.folders.add(action.path),
  "remove-folder"(machine, action) {
    const inside = [...machine.files.keys(), ...machine.folders].find((path) => path.startsWith(`${action.path}/`));
    if (inside) throw new EstratoError("conflict", `${action.path}: the folder is not empty`);
    machine.folders.delete(action.path);
    machine.readers.delete(action.path);
  },
  "write-file"(machine, action, reach) {
    if (reach === "half" || (action.ifNone && machine.files.has(action.path))) return;
    machine.files.set(action.path, newFile({ format: "raw", text: action.text, mode: action.mode ?? 0o600 }));
    machine.readers.delete(action.path);
  },
  "mark-use"(machine, action) {
    if (!action.on && isReadOnly(machine, action.path)) return;
    if (!action.on) machine.files.delete(action.path);
    else if (machine.folders.has(dirname(action.path)))
      machine.files.set(action.path, newFile({ format: "raw", text: "" }));
    else throw new EstratoError("conflict", `${action.path}: its owner no longer lets us write there`);
  },
  "run-hook": (machine, action) => void fileAt(machine, action.path),
  /** Half: crontab(1) has not installed it yet. */
  "set-crontab"(machine, { mark, lines }, reach) {
    const text = withLines(crontabOf(machine), mark, lines);
    if (reach === "whole") machine.crontab = text;
  },
  "set-owner"(machine, action) {
    Object.assign(machine.files.get(action.path) ?? {}, { uid: action.uid, gid: action.gid });
  },
  unlink(machine, { path }) {
    if (isReadOnly(machine, path) && machine.files.has(path))
      throw Object.assign(new Error("EROFS"), { code: "EROFS", syscall: "unlink", path });
    unlink(machine, path);
  },
  "copy-file"(machine, action) {
    const from = fileAt(machine, action.from);
    machine.files.set(action.to, { ...from, clusters: new Map(from.clusters), mode: action.mode });
  },
  "save-tpm"(machine, action) {
    const from = fileAt(machine, action.from);
    if (!machine.files.has(action.to))
      machine.files.set(action.to, { ...from, clusters: new Map(from.clusters), mode: 0o400 });
  },
  "place-tpm"(machine, action) {
    if (machine.domains.get(action.domain)?.live != null)
      throw new EstratoError("conflict", `${action.domain}: the domain is running, and its TPM cannot be changed`);
    const from = fileAt(machine, action.from);
    machine.files.set(action.to, { ...from, clusters: new Map(from.clusters), mode: 0o600 });
  },
  "remove-tpm"(machine, action) {
    if (machine.domains.has(action.domain))
      throw new EstratoError("conflict", `${action.domain}: libvirt has that domain, and its TPM stays`);
    for (const path of machine.files.keys())
      if (path.startsWith(`${tpmFolder(SYSTEM_FOLDERS, action.domain)}/`)) machine.files.delete(path);
  },
  convert,
  "convert-delta": convertDelta,
  "move-folder": moveFolder,
  "discard-folder": discardFolder,
  "move-file"(machine, action) {
    const file = fileAt(machine, action.from);
    if (!action.replace && machine.files.has(action.to)) {
      throw new EstratoError("conflict", `${action.to}: there is a file of that name`);
    }
    machine.files.delete(action.from);
    machine.files.set(action.to, file);
  },
  "resize-disk": resize,
  "reserve-address": reserve,
  "release-address"(machine, action) {
    const network = machine.networks.get(action.network);
    if (!network) return;
    network.reservations = network.reservations.filter(
      ({ mac, ip }) => mac !== action.mac.toLowerCase() || ip !== action.ip,
    );
  },
  "create-seed"(machine, action) {
    const text = JSON.stringify([action.metaData, action.userData, action.networkConfig]);
    machine.files.set(action.path, newFile({ format: "raw", sizeBytes: 358400, text }));
  },
  "renew-seed"(machine, action) {
    const text = fileAt(machine, action.from).text ?? "";
    const renewed = text.replace(/instance-id: (\\?")[^"\\]{36}/, `instance-id: $1${action.instanceId}`);
    if (renewed === text && !text.includes(action.instanceId))
      throw new EstratoError("integrity", `${action.from}: it holds no meta-data of ours`);
    machine.files.set(action.to, newFile({ format: "raw", sizeBytes: 358400, text: renewed }));
  },
};

function shutdown(machine: FakeMachine, action: Of<"shutdown">): void {
  const domain = domainAt(machine, action.domain);
  if (domain.live === null) return;
  const obeys = domain.obedient && domain.state === "running";
  if (!obeys && !action.thenDestroy) {
    throw new EstratoError("timeout", `${action.domain}: the guest did not power off within ${action.timeoutMs} ms`);
  }
  destroy(machine, action.domain, obeys ? "shutdown" : "destroyed");
}

function reserve(machine: FakeMachine, action: Of<"reserve-address">): void {
  const network = machine.networks.get(action.network);
  if (!network) throw new EstratoError("not_found", `${action.network}: no such network`);
  const mac = action.mac.toLowerCase();
  const same = network.reservations.find((each) => each.mac === mac && each.ip === action.ip);
  if (same) return;
  const other = network.reservations.find((each) => each.mac === mac || each.ip === action.ip);
  if (other) {
    throw new EstratoError("conflict", `${action.ip}: the network ${action.network} has it reserved for ${other.mac}`);
  }
  network.reservations.push({ mac, ip: action.ip, name: action.name });
}
