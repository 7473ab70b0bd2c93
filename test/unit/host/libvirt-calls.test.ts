import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { Action } from "../../../src/core/model/action.ts";
import type { HeldFile } from "../../../src/host/held-file.ts";
import { createHost, type Host } from "../../../src/host/index.ts";
import { ACTIONS, callSpeaks, METHODS } from "../../fake/libvirt-calls.ts";

const secret = "11111111-2222-4333-8444-555555555555";
const folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
const at = (name: string) => join(folder, name);
const called = at("called");
const file = at("file");
const base = at("base");
/** A virsh that only leaves word that it was called, and a qemu-img that finds every image in order. */
const VIRSH = `#!/bin/sh\n: >"$CALLED"\nexit 1\n`;
const INFO = JSON.stringify({
  filename: "/x",
  format: "qcow2",
  "virtual-size": 65536,
  "actual-size": 4096,
  "full-backing-filename": base,
});
const QEMU_IMG = `#!/bin/sh\ncase "$*" in *backing-chain*) echo '[${INFO}]';; *info*) echo '${INFO}';; *map*) echo '[]';; esac\n`;
writeFileSync(at("virsh"), VIRSH, { mode: 0o755 });
writeFileSync(at("qemu-img"), QEMU_IMG, { mode: 0o755 });
/** A session's virsh is never kept: each call is a process. */
const newHost = () => createHost({ uri: "qemu:///session", env: { PATH: folder, CALLED: called } });
const host = newHost();
/** For whoever looks for a guest that runs without libvirt. */
const stray = spawn("sh", ["-c", "read line", "-uuid", secret], { argv0: "qemu", stdio: ["pipe", "ignore", "ignore"] });
afterAll(() => void stray.stdin.end());
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  for (const path of [called, file]) rmSync(path, { recursive: true, force: true });
  for (const path of [file, base]) writeFileSync(path, "a passphrase");
});

/** Whatever becomes of the call: was libvirt asked? */
async function asksLibvirt(call: () => unknown): Promise<boolean> {
  await Promise.resolve()
    .then(call)
    .catch(() => undefined);
  return existsSync(called);
}

const domain = "web1";
const backing = { path: base, format: "qcow2" };
const image = { path: file, format: "qcow2" };
const address = { network: "default", mac: "52:54:00:00:00:01", ip: "192.168.122.9" };

/** One of each. Those that may need a secret: without it. */
const SAMPLES: { readonly [Do in Action["do"]]: () => Extract<Action, { do: Do }> } = {
  "create-disk": () => ({ do: "create-disk", path: at("new"), backing: null, sizeBytes: 65536 }),
  "switch-disks": () => ({ do: "switch-disks", domain, disks: [], excluded: [], quiesce: false }),
  "restore-memory": () => ({ do: "restore-memory", domain, memory: file, xml: "<domain/>", paused: false }),
  "attach-disk": () => ({
    do: "attach-disk",
    domain,
    disk: { path: file, format: "qcow2", device: "vdb", readonly: false, serial: null },
  }),
  "detach-disk": () => ({ do: "detach-disk", domain, device: "vdb", timeoutMs: 1 }),
  "block-resize": () => ({ do: "block-resize", domain, device: "vda", sizeBytes: 65536 }),
  "await-job": () => ({ do: "await-job", domain }),
  "sync-clock": () => ({ do: "sync-clock", domain }),
  thaw: () => ({ do: "thaw", domain }),
  define: () => ({ do: "define", xml: "<domain/>" }),
  redefine: () => ({ do: "redefine", domain, disks: [] }),
  undefine: () => ({ do: "undefine", domain, nvram: false }),
  start: () => ({ do: "start", domain, paused: false }),
  destroy: () => ({ do: "destroy", domain }),
  shutdown: () => ({ do: "shutdown", domain, timeoutMs: 1, thenDestroy: false }),
  reboot: () => ({ do: "reboot", domain, hard: true }),
  suspend: () => ({ do: "suspend", domain }),
  resume: () => ({ do: "resume", domain }),
  autostart: () => ({ do: "autostart", domain, on: true }),
  "mark-domain": () => ({
    do: "mark-domain",
    domain,
    mark: { store: "s", machine: "m", machineName: "alpha", home: "/store" },
    on: true,
  }),
  rename: () => ({ do: "rename", domain, name: "web2" }),
  commit: () => ({ do: "commit", top: file, topFormat: "qcow2", base: backing.path }),
  rebase: () => ({ do: "rebase", file, backing }),
  relink: () => ({ do: "relink", file, backing }),
  "block-pull": () => ({ do: "block-pull", domain, device: "vda", base: null }),
  "block-commit": () => ({ do: "block-commit", domain, device: "vda", top: file, base: backing.path }),
  "block-commit-active": () => ({ do: "block-commit-active", domain, device: "vda", base: backing.path }),
  "settle-job": () => ({ do: "settle-job", domain, device: "vda", abort: true }),
  "set-forwards": () => ({ do: "set-forwards", domain, forwards: [] }),
  "close-unused": () => ({ do: "close-unused", domain, path: file }),
  "set-mode": () => ({ do: "set-mode", path: file, mode: 0o400 }),
  "set-access": () => ({ do: "set-access", path: file, mode: 0o440, readers: [1000] }),
  "open-passage": () => ({ do: "open-passage", path: file }),
  "make-folder": () => ({ do: "make-folder", path: at("made") }),
  "remove-folder": () => ({ do: "remove-folder", path: file }),
  "write-file": () => ({ do: "write-file", path: at("written"), text: "" }),
  "mark-use": () => ({ do: "mark-use", path: at("mark"), on: true }),
  "set-owner": () => ({ do: "set-owner", path: file, uid: 0, gid: 0 }),
  sync: () => ({ do: "sync", path: file }),
  unlink: () => ({ do: "unlink", path: file }),
  "copy-file": () => ({ do: "copy-file", from: file, to: at("copy"), mode: 0o600 }),
  "save-tpm": () => ({ do: "save-tpm", from: file, to: at("tpm") }),
  "place-tpm": () => ({ do: "place-tpm", domain, from: file, to: at("tpm") }),
  "remove-tpm": () => ({ do: "remove-tpm", domain: secret }),
  download: () => ({ do: "download", url: "http://127.0.0.1:9/x", to: at(".x.download"), copies: 1, mayStop: true }),
  sysprep: () => ({ do: "sysprep", disks: [file], mayStop: true }),
  convert: () => ({
    do: "convert",
    from: file,
    fromFormat: "qcow2",
    to: at("to"),
    toFormat: "qcow2",
    compress: false,
    mode: 0o400,
  }),
  "convert-delta": () => ({
    do: "convert-delta",
    layers: [image],
    to: at("to"),
    backing,
    sizeBytes: 65536,
    compress: false,
    mode: 0o400,
  }),
  "move-folder": () => ({ do: "move-folder", from: file, to: at("moved") }),
  "discard-folder": () => ({ do: "discard-folder", path: file }),
  "move-file": () => ({ do: "move-file", from: file, to: at("moved"), replace: false }),
  "resize-disk": () => ({ do: "resize-disk", path: file, format: "qcow2", sizeBytes: 131072 }),
  "define-secret": () => ({ do: "define-secret", secret, description: "d", file }),
  "undefine-secret": () => ({ do: "undefine-secret", secret }),
  "reserve-address": () => ({ do: "reserve-address", ...address, name: domain }),
  "release-address": () => ({ do: "release-address", ...address }),
  "set-crontab": () => ({ do: "set-crontab", file: null, mark: "# m", lines: [] }),
  "run-hook": () => ({ do: "run-hook", path: "/nowhere/hook", environment: {}, timeoutMs: 1000 }),
  "renew-seed": () => ({ do: "renew-seed", from: at("seed"), to: at("seed2"), instanceId: "i".repeat(36) }),
  "create-seed": () => ({ do: "create-seed", path: at("seed"), metaData: "", userData: "", networkConfig: null }),
};

describe("an action speaks to libvirt as the table of the outages says", () => {
  test.each(Object.values(SAMPLES).map((sample) => [sample().do, sample] as const))("%s", async (name, sample) => {
    const action = sample();
    expect(await asksLibvirt(() => host.perform(action))).toBe(ACTIONS[name] === "always");
    expect(callSpeaks("perform", [action])).toBe(ACTIONS[name] === "always");
  });

  test.each(
    Object.values(SAMPLES)
      .filter((sample) => ACTIONS[sample().do] === "secret")
      .map((sample) => [sample().do, sample] as const),
  )("%s of an encrypted image", async (name, sample) => {
    const encrypted =
      name === "convert-delta"
        ? { layers: [{ ...image, secret }] }
        : name === "convert"
          ? { encrypt: { secret } }
          : { secret };
    const action = { ...sample(), ...encrypted } as Action;
    expect(await asksLibvirt(() => host.perform(action))).toBe(true);
    expect(callSpeaks("perform", [action])).toBe(true);
  });
});

const edit = {};
const xml = "<domain type='kvm'><name>a</name></domain>";
const spec = { name: domain, uuid: secret, vcpus: 1, ramBytes: 2 ** 28, disks: [], interfaces: [], consoleLog: "/c" };
const entry = { when: "@reboot", environment: {}, command: { program: "/bin/true", args: [] }, mark: "# m" };

/** One call of each, of no encrypted image. */
const CALLS: { readonly [Method in Exclude<keyof Host, "perform">]: () => Parameters<Host[Method]> } = {
  listDomains: () => [],
  domainOutlines: () => [() => true],
  domainLoads: () => [],
  domainStatus: () => [domain],
  domainStatuses: () => [[domain]],
  strayProcesses: () => [[secret]],
  startedAt: () => [secret],
  display: () => [domain],
  qemuDisks: () => [domain],
  isAsleep: () => [domain],
  agentPing: () => [domain, 1000],
  agentFreezeStatus: () => [domain],
  agentAddresses: () => [domain],
  agentCommand: () => [domain, { execute: "guest-info" }, 1000],
  listSecrets: () => [],
  network: () => ["default"],
  sshGreets: () => [{ address: "127.0.0.1", port: 1 }, 1],
  tryListening: () => [{ protocol: "tcp", address: "127.0.0.1", host: 0, guest: 22 }],
  listNetworks: () => [],
  capabilities: () => [],
  machineLimits: () => [xml],
  userBackend: () => [],
  liveForwards: () => [domain],
  newDefinition: () => [spec],
  takenFrom: () => [xml, "outside"],
  namedOfHost: () => [xml],
  memoryDefinition: () => [file],
  screenshot: () => [domain, at("screen")],
  editDefinition: () => [xml, edit],
  parseDefinition: () => [xml],
  nvramPlace: () => ["web1"],
  consoleCommand: () => [domain, null],
  imageChain: () => [file, "qcow2"],
  imageInfo: () => [file],
  inspectUntrusted: () => [file, "qcow2"],
  readSharedLayer: () => [file, null],
  ownExtents: () => [image],
  convertedBytes: () => [image],
  countFaults: () => [image],
  requireSysprep: () => [],
  sameContent: () => [image, image],
  dataPlaces: () => [image],
  openGuest: () => [[], AbortSignal.abort()], // no machine is started
  guestCommands: () => [[]],
  fileInfo: () => [file],
  listFolder: () => [folder],
  hiddenFiles: () => [folder],
  realPath: () => [file],
  readText: () => [file, 10],
  holdFile: () => [file],
  blockSums: () => [file, 65536],
  blockedFolders: () => [file, null],
  readSmall: () => [file, { maxBytes: 10 }],
  signedText: () => [file, new Uint8Array(), null],
  fileSum: () => [file, "sha256"],
  isDownloadKept: () => [file],
  freeBytes: () => [folder],
  requireWritable: () => [folder],
  isRoot: () => [],
  checkPassphrase: () => [file],
  timeZone: () => [],
  users: () => [],
  crontab: () => [],
  cronLine: () => [null, entry],
  interactive: () => [{ program: "/bin/true", args: [] }],
  commandsFor: () => [SAMPLES.start()],
  prepare: () => [[]],
  letGo: () => [[]],
  close: () => [],
};

type Method = keyof typeof CALLS;
const methods = Object.keys(CALLS) as Method[];
/** What it opens is closed again. */
async function call(host: Host, method: Method, args: readonly unknown[]): Promise<void> {
  const answer = await (host[method] as (...all: readonly unknown[]) => unknown)(...args);
  if (method === "holdFile") await (answer as HeldFile).close();
}

describe("a call of the host speaks to libvirt as the table of the outages says", () => {
  test.each(methods)("%s", async (method) => {
    const anew = newHost(); // a host remembers what its machine can do
    expect(await asksLibvirt(() => call(anew, method, CALLS[method]()))).toBe(METHODS[method] === "always");
    expect(callSpeaks(method, CALLS[method]())).toBe(METHODS[method] === "always");
  });

  test.each(methods.filter((method) => METHODS[method] === "secret"))("%s of an encrypted image", async (method) => {
    const args = CALLS[method]().map((each) => ({ ...(each as object), secret }));
    expect(await asksLibvirt(() => call(host, method, args))).toBe(true);
    expect(callSpeaks(method, args)).toBe(true);
  });
});
