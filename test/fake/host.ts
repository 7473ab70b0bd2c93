/**
 * A HostPort in memory that keeps the real one's promises: the same contract suite runs on both. It fails what the real
 * one fails, refuses what no test should come to, and can die at any action.
 */
import { dirname, resolve } from "node:path";
import type { Action } from "../../src/core/model/action.ts";
import type { Command, DomainSummary } from "../../src/core/model/host.ts";
import type { HostPort } from "../../src/core/ports.ts";
import { EstratoError } from "../../src/errors.ts";
import { commandsFor } from "../../src/host/actions/commands.ts";
import { cronLine } from "../../src/host/crontab.ts";
import { editDefinition } from "../../src/host/domain-edit.ts";
import { newDefinition } from "../../src/host/domain-new.ts";
import { parseDefinition } from "../../src/host/domain-xml.ts";
import { nvramPlace, SYSTEM_FOLDERS } from "../../src/host/libvirt-folders.ts";
import { MissingProgram } from "../../src/host/process-failure.ts";
import { takenFrom } from "../../src/host/proposal/domain.ts";
import { namedOfHost } from "../../src/host/proposal/named.ts";
import { agentOf } from "./agent.ts";
import { openFakeGuest } from "./guest-files.ts";
import { carryOut, crontabOf } from "./host-actions.ts";
import { destroy, findDomain, foreignXml, isListened, qemuDisksOf, requireRunning, statusOf } from "./host-domains.ts";
import { sumOf } from "./host-files.ts";
import { sumsOf } from "./host-folders.ts";
import {
  bytesOf,
  type Content,
  chainAt,
  chainFiles,
  extentsOf,
  fileAt,
  identityAt,
  infoOf,
  newFile,
  readChain,
  readContent,
  requireReadable,
} from "./host-images.ts";
import { CLUSTER_BYTES, type FakeFile, type FakeMachine, fakeMachine, isReadOnly } from "./host-machine.ts";
import { passphraseIn, requireAsked, requireOpened } from "./host-secrets.ts";
import { Crash } from "./store.ts";

export type { Content } from "./host-images.ts";
export { CLUSTER_BYTES, type FakeMachine, fakeMachine } from "./host-machine.ts";

/** midway: the action is half done (a merge has moved a part, QEMU has switched and libvirt has not noted it). */
export type CrashPhase = "before" | "midway" | "after";

export interface FakeHostOptions {
  readonly machine?: FakeMachine;
  /** Who the process is, where it is not the owner of all: it reads of others only what their modes and ACLs let it. */
  readonly uid?: number;
  /** Dies at the index-th action (from 0, in the order of `performed`). */
  readonly crashAt?: { readonly index: number; readonly phase: CrashPhase };
}

export interface FakeHost extends HostPort {
  readonly machine: FakeMachine;
  /** Every action so far, whether it went well or not. */
  readonly performed: readonly Action[];
  /** The commands of these, as a plan tells them: what removed a file that was not there is left out. */
  readonly told: readonly Command[];
  /** Ends this process now: every further call throws Crash. The machine goes on: hand it to another fakeHost. */
  crash(): void;
  /** Dies at the next action of this kind. */
  crashAtNext(kind: Action["do"], phase: CrashPhase): void;
  /** The next action of this kind fails so, and does nothing. */
  failNext(kind: Action["do"], error: Error): void;
  /** Puts a file on the machine. `content`: what it holds, by cluster of 64 KiB. */
  addFile(path: string, file?: Partial<Omit<FakeFile, "clusters">> & { readonly content?: Content }): void;
  /** Defines a domain that estrato did not make; returns its UUID. */
  addDomain(spec: Parameters<typeof foreignXml>[0] & { readonly running?: boolean; readonly agent?: boolean }): string;
  /**
   * The guest writes a word into a cluster of a disk; null: it discards it. Refused while it is off, paused or frozen.
   */
  guestWrite(domain: string, device: string, cluster: number, value: string | null): void;
  /** QEMU dies as by kill -9: a job that was under way leaves its files as they are at worst. */
  killQemu(domain: string): void;
  /** What the guest sees on a disk. */
  guestRead(domain: string, device: string): Content;
  /** What the file at `path` and all that it stands on read as. */
  read(path: string): Content;
}

/** What its libvirt offers as firmware. */
const FIRMWARES = ["/usr/share/OVMF/OVMF_CODE_4M.fd"];

export function fakeHost(options: FakeHostOptions = {}): FakeHost {
  const machine = options.machine ?? fakeMachine();
  const performed: Action[] = [];
  const told: Command[] = [];
  const commandsOf = (action: Action) =>
    commandsFor(action, {
      command: (...args) => ({ program: "virsh", args: ["-c", "qemu:///fake", ...args] }),
      folders: SYSTEM_FOLDERS,
    });
  const failures: { kind: Action["do"]; error: Error }[] = [];
  const crashes: { kind: Action["do"]; phase: CrashPhase }[] = [];
  let dead: string | null = null;

  function die(where: string): never {
    dead = where;
    throw new Crash(where);
  }

  function alive(): void {
    if (dead !== null) throw new Crash(dead);
  }

  function mayRead(path: string): boolean {
    const { mode = 0, uid = 0 } = machine.files.get(path) ?? {};
    if (options.uid === undefined || options.uid === uid || (mode & 0o004) !== 0) return true;
    return (mode & 0o040) !== 0 && (machine.readers.get(path) ?? []).includes(options.uid);
  }

  function takeNext<T extends { kind: Action["do"] }>(from: T[], kind: Action["do"]): T | undefined {
    const place = from.findIndex((each) => each.kind === kind);
    return place < 0 ? undefined : from.splice(place, 1)[0];
  }

  function phaseOf(kind: Action["do"], index: number): CrashPhase | undefined {
    if (options.crashAt?.index === index) return options.crashAt.phase;
    return takeNext(crashes, kind)?.phase;
  }

  function running(domain: string) {
    const found = requireRunning(machine, domain);
    if (found.state !== "running") throw new Error(`fake host: ${domain} is paused and cannot write`);
    return found;
  }

  function headOf(domain: string, device: string): FakeFile {
    const disk = running(domain).open.find((each) => each.device === device);
    if (!disk) throw new Error(`fake host: ${domain} has no disk ${device}`);
    if (disk.readonly) throw new Error(`fake host: ${device} of ${domain} is read-only`);
    return fileAt(machine, disk.chain[0] ?? "");
  }

  return {
    machine,
    performed,
    told,
    crash() {
      dead = "by the test";
    },
    crashAtNext(kind, phase) {
      crashes.push({ kind, phase });
    },
    failNext(kind, error) {
      failures.push({ kind, error });
    },
    addFile(path, file = {}) {
      const { content = {}, ...fields } = file;
      const clusters = new Map(Object.entries(content).map(([cluster, value]) => [Number(cluster), value]));
      machine.files.set(path, newFile({ sizeBytes: 16 * CLUSTER_BYTES, ...fields, clusters }));
    },
    addDomain(spec) {
      const xml = foreignXml(spec);
      const { uuid } = parseDefinition(xml);
      carryOut(machine, { do: "define", xml }, "whole");
      const domain = findDomain(machine, uuid);
      if (domain) domain.agent = spec.agent ?? true;
      if (spec.running ?? true) carryOut(machine, { do: "start", domain: uuid, paused: false }, "whole");
      return uuid;
    },
    guestWrite(domain, device, cluster, value) {
      const head = headOf(domain, device);
      if (running(domain).frozen) throw new Error(`fake host: ${domain} is frozen and cannot write`);
      if ((cluster + 1) * CLUSTER_BYTES > head.sizeBytes)
        throw new Error(`fake host: cluster ${cluster} is beyond ${device}`);
      head.clusters.set(cluster, value);
    },
    killQemu(domain) {
      for (const job of requireRunning(machine, domain).jobs) job.lose();
      destroy(machine, domain, "crashed");
    },
    guestRead(domain, device) {
      const disk = requireRunning(machine, domain).open.find((each) => each.device === device);
      if (!disk) throw new Error(`fake host: ${domain} has no disk ${device}`);
      return Object.fromEntries(readChain(machine, disk.chain));
    },
    read: (path) => readContent(machine, path),

    async listDomains() {
      alive();
      return [...machine.domains.values()].map((each): DomainSummary => {
        const { uuid, name, state } = statusOf(machine, each);
        return { uuid, name, state };
      });
    },
    async domainOutlines(wanted) {
      alive();
      return [...machine.domains.values()].map((each) => {
        const { uuid, name, state, live, inactive, managedSave } = statusOf(machine, each);
        const { vcpus, ramBytes, interfaces } = live ?? inactive;
        return {
          uuid,
          name,
          state,
          vcpus,
          ramBytes,
          managedSave,
          interfaces: wanted({ uuid, name, state }) ? interfaces.map(({ mac, network }) => ({ mac, network })) : [],
        };
      });
    },
    async domainLoads() {
      alive();
      machine.samples += 1;
      const running = [...machine.domains.values()].map((each) => statusOf(machine, each)).filter(({ live }) => live);
      return running.map(({ uuid, name, live, inactive }, index) => {
        const { vcpus, ramBytes } = live ?? inactive;
        const used = machine.samples * (index + 1);
        return {
          ...{ uuid, name, vcpus, ramBytes, cpuNs: used * 250_000_000, usedBytes: index === 0 ? ramBytes / 2 : null },
          ...{ readBytes: used * 2 ** 20, writtenBytes: used * 2 ** 16, receivedBytes: used * 3000, sentBytes: 0 },
        };
      });
    },
    async domainStatus(domain, also) {
      alive();
      const found = findDomain(machine, domain);
      if (!found) return null;
      const status = statusOf(machine, found);
      return also === "qemu" && status.live !== null ? { ...status, qemu: qemuDisksOf(machine, found) } : status;
    },
    async domainStatuses(domains) {
      alive();
      const found = (domains ?? [...machine.domains.keys()]).map((each) => findDomain(machine, each));
      return new Map(
        found.filter((each) => each !== null).map((each) => [statusOf(machine, each).uuid, statusOf(machine, each)]),
      );
    },
    async startedAt(uuid) {
      alive();
      const { startedAt } = findDomain(machine, uuid) ?? {};
      return startedAt === undefined ? null : new Date(startedAt);
    },
    async display(uuid) {
      alive();
      return findDomain(machine, uuid)?.display ?? null;
    },
    async strayProcesses(uuids) {
      alive();
      return new Map(
        uuids.flatMap((uuid): [string, number][] => {
          const pid = findDomain(machine, uuid)?.stray ?? null;
          return pid === null ? [] : [[uuid, pid]];
        }),
      );
    },
    async qemuDisks(uuid) {
      alive();
      if (!findDomain(machine, uuid)) throw new EstratoError("not_found", `${uuid}: no such domain`);
      return qemuDisksOf(machine, requireRunning(machine, uuid));
    },
    async isAsleep(uuid) {
      alive();
      if (!findDomain(machine, uuid)) throw new EstratoError("not_found", `${uuid}: no such domain`);
      return requireRunning(machine, uuid).asleep === true;
    },
    async agentPing(uuid) {
      alive();
      const found = findDomain(machine, uuid);
      return found?.state === "running" && found.agent;
    },
    async agentFreezeStatus(uuid) {
      alive();
      const found = findDomain(machine, uuid);
      if (found?.state !== "running" || !found.agent) return null;
      return found.frozen ? "frozen" : "thawed";
    },
    async agentAddresses(uuid) {
      alive();
      const found = findDomain(machine, uuid);
      return found?.state === "running" && found.agent ? [...found.addresses] : null;
    },
    async agentCommand(uuid, command) {
      alive();
      const found = findDomain(machine, uuid);
      if (!found || found.live === null) return { refused: "off", words: "domain is not running" };
      if (found.state !== "running" || !found.agent) return { refused: "silent", words: "agent is not connected" };
      return agentOf(found).answer(command, found.frozen);
    },
    async sshGreets() {
      alive();
      return machine.sshAnswers;
    },
    async imageInfo(path, how = {}) {
      alive();
      const file = machine.files.get(path);
      if (!file) return null;
      if (how.format !== undefined && how.format !== "raw" && how.format !== file.format) {
        throw new EstratoError(
          "failed",
          `qemu-img info: Could not open '${path}': Image is not in ${how.format} format`,
        );
      }
      if (!how.shared) requireReadableAlone(machine, path);
      return infoOf(machine, path);
    },
    async imageChain(path, format) {
      alive();
      return chainFiles(machine, path, format);
    },
    async ownExtents(image, only) {
      alive();
      requireAsked(machine, image);
      return extentsOf(machine, image.path, only);
    },
    async inspectUntrusted(path, format) {
      alive();
      const file = machine.files.get(path);
      if (!file) throw new EstratoError("not_found", `${path}: no such file`);
      if (file.backing) throw new EstratoError("host", `${path}: it names a backing file`);
      if (format !== null && format !== file.format) throw new EstratoError("host", `${path}: not a ${format} image`);
      return infoOf(machine, path);
    },
    async readSharedLayer(path, backing) {
      alive();
      const file = machine.files.get(path);
      if (!file) throw new EstratoError("not_found", `${path}: no such file`);
      if (!mayRead(path)) throw new EstratoError("host", `${path}: cannot be read (EACCES)`);
      if ((file.backing?.path ?? null) !== (backing === null ? null : resolve(dirname(path), backing)))
        throw new EstratoError("host", `${path}: it does not stand on ${backing}`);
      return infoOf(machine, path);
    },
    async timeZone() {
      alive();
      return machine.timeZone;
    },
    async users(key) {
      alive();
      return machine.users.filter(({ name, uid }) => key === undefined || key === name || key === String(uid));
    },
    async blockedFolders(path) {
      alive();
      return [...machine.closed].filter((folder) => path.startsWith(`${folder}/`));
    },
    async readText(path) {
      alive();
      const file = machine.files.get(path);
      if (!mayRead(path)) return null;
      return file?.text == null ? null : { text: file.text, uid: file.uid };
    },
    async crontab() {
      alive();
      return { file: null, text: crontabOf(machine) };
    },
    cronLine: (file, entry) => cronLine(file !== null, entry),
    async holdFile(path) {
      alive();
      const file = machine.files.get(path);
      if (!file) throw new EstratoError("not_found", `${path}: no such file`);
      return {
        path,
        stamp: async () => JSON.stringify([file.sizeBytes, [...file.clusters]]),
        close: async () => undefined,
      };
    },
    async convertedBytes({ path, format, secret }) {
      alive();
      const chain = format === "raw" ? [path] : chainAt(machine, path);
      requireOpened(machine, chain, secret);
      return (readChain(machine, chain).size + 4) * CLUSTER_BYTES;
    },
    async requireSysprep() {
      alive();
      if (!machine.hasSysprep) throw new MissingProgram("virt-sysprep");
    },
    async countFaults({ path, secret, alone = false }) {
      alive();
      requireOpened(machine, alone ? [path] : chainAt(machine, path), secret);
      return fileAt(machine, path).faults;
    },
    async sameContent(a, b) {
      alive();
      for (const { path, format, secret } of [a, b]) {
        requireOpened(machine, format === "raw" ? [path] : chainAt(machine, path), secret);
      }
      return JSON.stringify(readContent(machine, a.path)) === JSON.stringify(readContent(machine, b.path));
    },
    async listSecrets() {
      alive();
      return [...machine.secrets].map(([uuid, { description }]) => ({ uuid, description }));
    },
    async checkPassphrase(path) {
      alive();
      passphraseIn(machine, path);
    },
    async fileInfo(path) {
      alive();
      const file = machine.files.get(path);
      const isFolder =
        machine.folders.has(path) || [...machine.files.keys()].some((each) => each.startsWith(`${path}/`));
      const folder = { ...FOLDER, mode: machine.closed.has(path) ? 0o700 : FOLDER.mode, identity: `folder ${path}` };
      if (!file) return isFolder ? folder : null;
      const { uid, gid, mode, isBlockDevice } = file;
      const allocatedBytes = file.clusters.size * CLUSTER_BYTES;
      const sizeBytes = bytesOf(file);
      const kind = { isBlockDevice, isRegularFile: !isBlockDevice, isFolder: false, isLink: false };
      const isOurs = options.uid === undefined || options.uid === uid;
      return { uid, gid, mode, ...kind, sizeBytes, allocatedBytes, identity: identityAt(machine, path) ?? "", isOurs };
    },
    async realPath(path) {
      alive();
      return machine.files.has(path) ? path : null;
    },
    async listFolder(path) {
      alive();
      const inside = [...machine.files.keys(), ...machine.folders].filter((file) => file.startsWith(`${path}/`));
      const names = inside.map((file) => file.slice(path.length + 1).split("/")[0] ?? "");
      return [...new Set(names)].filter((name) => !name.startsWith(".")).sort();
    },
    async hiddenFiles(folder) {
      alive();
      const inside = [...machine.files.keys()].filter((path) => path.startsWith(`${folder}/.`));
      const writerOf = (path: string) => (path.endsWith(".part") ? "dead" : "unknown");
      const kept = (path: string) => (machine.files.get(path)?.text === "old" ? "expired" : "kept");
      const isDownload = (path: string) => /\.download(\.json)?$/.test(path);
      return inside.sort().map((path) => ({ path, writer: isDownload(path) ? kept(path) : writerOf(path) }));
    },
    async readSmall(where) {
      alive();
      const text = where.startsWith("/") ? machine.files.get(where)?.text : machine.web.get(where)?.text;
      return text == null ? null : new TextEncoder().encode(text);
    },
    async signedText(keyring, message, signature) {
      alive();
      const by = `signed with ${keyring}`;
      const [text, sign] = [message, signature].map((bytes) => new TextDecoder().decode(bytes ?? undefined));
      if (signature === null && text?.includes(by)) return { text: text.replace(by, "") };
      return sign === by && text !== undefined ? { text } : { why: "its signature is not of this text" };
    },
    async fileSum(path, algorithm) {
      alive();
      return sumOf(machine, path, algorithm);
    },
    async isDownloadKept(path) {
      alive();
      return machine.files.has(`${path}.json`);
    },
    async blockSums(path, _, { known = [], signal } = {}) {
      alive();
      if (signal?.aborted) throw new EstratoError("interrupted", "interrupted");
      const { sizeBytes, sums } = sumsOf(machine, path);
      return { sizeBytes, sums: sums.map((sum, index) => known[index] ?? sum) };
    },
    async dataPlaces(image) {
      alive();
      requireAsked(machine, image);
      return []; // nothing is known to be as it was
    },
    isRoot: () => machine.capabilities.takesFiles !== true,

    async requireWritable(folder) {
      alive();
      const isThere =
        machine.folders.has(folder) || [...machine.files.keys()].some((file) => file.startsWith(`${folder}/`));
      if (!isThere) throw new EstratoError("host", `${folder}: it is not there (access)`);
      if (isReadOnly(machine, folder))
        throw new EstratoError("host", `${folder}: the file system is read-only (access)`);
    },
    async freeBytes() {
      alive();
      return machine.freeBytes;
    },
    async network(name) {
      alive();
      const network = machine.networks.get(name);
      return network ? structuredClone({ name, ...network }) : null;
    },
    async listNetworks() {
      alive();
      return [...machine.networks.keys()];
    },
    async capabilities() {
      alive();
      return machine.capabilities;
    },
    async machineLimits() {
      alive();
      return machine.limits;
    },
    async userBackend() {
      alive();
      return machine.userBackend;
    },
    async liveForwards(uuid) {
      alive();
      const found = findDomain(machine, uuid);
      const own = found?.live == null ? [] : parseDefinition(found.live).interfaces;
      return own.some(({ user }) => user?.backend === "qemu") ? [...(found?.forwards ?? [])] : null;
    },
    async tryListening(forward) {
      alive();
      if (machine.unprivileged && forward.host < 1024) return "forbidden";
      if (!/^(127\.|0\.0\.0\.0$|192\.168\.122\.1$)/.test(forward.address)) return "no-address";
      return isListened(machine, forward) ? "taken" : "free";
    },
    editDefinition,
    parseDefinition,
    async takenFrom(xml, from) {
      alive();
      const { kvm, emulator } = machine.capabilities;
      return takenFrom(xml, { kvm, emulator, firmwares: FIRMWARES }, from);
    },
    namedOfHost: async (xml) => namedOfHost(xml),
    async newDefinition(spec) {
      alive();
      return newDefinition(spec, machine.capabilities);
    },
    nvramPlace: (name) => nvramPlace(SYSTEM_FOLDERS, name),
    async memoryDefinition(path) {
      alive();
      const { text } = fileAt(machine, path);
      if (text === null) throw new EstratoError("failed", `virsh save-image-dumpxml: ${path}: no saved memory`);
      return text;
    },
    async screenshot(uuid, path) {
      alive();
      requireRunning(machine, uuid);
      machine.files.set(path, newFile({ format: "raw", text: "P6" }));
    },
    consoleCommand: (uuid, leaveKey) => ({
      program: "virsh",
      args: ["-c", "qemu:///fake", ...(leaveKey === null ? [] : ["-e", leaveKey]), "console", uuid],
    }),
    async interactive(command) {
      alive();
      throw new Error(`fake host: ${command.program} wants a terminal`);
    },
    commandsFor: commandsOf,
    async perform(action, how = {}) {
      alive();
      if (how.signal?.aborted) throw new EstratoError("interrupted", `${action.do}: interrupted`);
      const index = performed.length;
      performed.push(action);
      if (action.do !== "unlink" || machine.files.has(action.path)) told.push(...commandsOf(action));
      const where = `action ${index} (${action.do})`;
      const phase = phaseOf(action.do, index);
      if (phase === "before") die(`before ${where}`);
      const failure = takeNext(failures, action.do);
      if (failure) throw failure.error;
      carryOut(machine, action, phase === "midway" ? "half" : "whole");
      // What a process copies is its user's.
      const copied = action.do === "convert" ? machine.files.get(action.to) : undefined;
      if (copied !== undefined && options.uid !== undefined) copied.uid = options.uid;
      how.onProgress?.(1);
      if (phase !== undefined) die(`${phase === "after" ? "after" : "in"} ${where}`);
    },
    prepare: () => undefined,
    letGo: async () => undefined,
    openGuest: async (disks) => {
      alive();
      return openFakeGuest(machine.guest, disks);
    },
    guestCommands: async (disks) => disks.map(({ image }) => ({ program: "qemu-nbd", args: [image.path] })),
    close: () => undefined,
  };
}

const FOLDER = {
  uid: 0,
  gid: 0,
  mode: 0o755,
  sizeBytes: 4096,
  allocatedBytes: 4096,
  isBlockDevice: false,
  isRegularFile: false,
  isFolder: true,
  isLink: false,
  identity: "a folder",
  isOurs: true,
};

/** `qemu-img info` opens the one file, not what it stands on. */
function requireReadableAlone(machine: FakeMachine, path: string): void {
  const file = fileAt(machine, path);
  const { backing } = file;
  file.backing = null;
  try {
    requireReadable(machine, path);
  } finally {
    file.backing = backing;
  }
}
