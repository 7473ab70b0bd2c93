/**
 * What every e2e test stands on: the built program with a store of its own, inside a private test host with real
 * guests.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expectSchemaOf } from "../schemas.ts";
import { until } from "../wait.ts";
import { byAgent, small, ssh, systemAgent } from "./guest.ts";
import { runInProcess } from "./in-process.ts";
import { type Ran, run, sure } from "./processes.ts";
import { tryVirsh, virsh } from "./virsh.ts";

const bedDir = process.env.ESTRATO_BED_DIR;
if (process.env.ESTRATO_BED !== "1" || bedDir === undefined) {
  throw new Error("these tests run in a private test host only: npm run test:e2e");
}

export const program = resolve(import.meta.dirname, "../../bin/estrato");
const bedFolder = resolve(import.meta.dirname, "../bed");
export const guestImage = process.env.ESTRATO_BED_GUEST as string;

export { small } from "./guest.ts";
export { virsh } from "./virsh.ts";

/** With these set the process itself is killed, or stands still. */
const ENDS_PROCESS = ["ESTRATO_TEST_CRASH", "ESTRATO_TEST_STOP"];
/** Verbs whose child speaks by the process's own streams. */
const OWNS_TERMINAL = ["ssh", "console"];

/** What is printed with these is no longer what the schema of the verb says. */
const CHOOSES = ["-c", "--column", "--query"];

/** test/bed/libvirtd: start, stop, kill, restart. */
export const libvirtd = (verb: "start" | "stop" | "kill" | "restart") => sure(join(bedFolder, "libvirtd"), verb);

/**
 * As near to a reboot of the host as a bed allows: libvirtd and every QEMU end at once, and what they keep in memory
 * file systems is gone. Networks that do not start with the host are off afterwards, as there.
 */
export async function reboot(): Promise<void> {
  await libvirtd("kill");
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (/^(qemu-system|swtpm|dnsmasq)/.test(nameOf(pid))) process.kill(Number(pid), "SIGKILL");
  }
  await sure("sh", "-c", "rm -rf /run/libvirt/qemu /run/libvirt/network; ip link delete virbr0 2>/dev/null; true");
  await libvirtd("start");
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8");
  } catch {
    return ""; // it has ended
  }
}

export interface Rig {
  readonly home: string;
  readonly folder: string;
  /** The private key that the guests know. */
  readonly key: string;
  /** The file of the image `base`. */
  readonly base: string;
  /** `estrato ARGS`, whatever it answers. */
  estrato(...args: string[]): Promise<Ran>;
  estratoWith(env: Record<string, string>, ...args: string[]): Promise<Ran>;
  /** Must exit 0; returns stdout. */
  ok(...args: string[]): Promise<string>;
  /** Must exit 0; returns what `-f json` says, which is as the schema of the verb says. */
  json<T = Record<string, unknown>>(...args: string[]): Promise<T>;
  /** Started and left running. */
  start(env: Record<string, string>, ...args: string[]): ChildProcess;
  /**
   * Runs a shell line in a guest and returns its stdout; waits until it answers. Said for the first time to one of this
   * name it goes by ssh, to the address and with the key that the instance was given; later by its agent.
   */
  guest(instance: string, line: string): Promise<string>;
  /** The same by ssh each time: where libvirt, and with it the agent, may know nothing of a guest that goes on. */
  bySsh(instance: string, line: string): Promise<string>;
  /** A new instance of the test guest that answers to ssh. */
  create(name: string, ...args: string[]): Promise<string>;
  /** Names in the folder of layers. */
  layers(): string[];
  state(): StateFile;
  /** Copies what a snapshot (its name) or an image holds now, by qemu-img alone. */
  copyOf(name: string): Promise<string>;
  /** Throws unless it still holds exactly that. */
  requireSame(name: string, copy: string): Promise<void>;
  /** Repairs, and then nothing may be left to say. */
  heal(): Promise<void>;
}

interface Pointing {
  readonly name: string;
  readonly disks: readonly { readonly layer: string }[];
}

export interface StateFile {
  readonly layers: Record<string, { readonly file: string }>;
  readonly snapshots: Record<string, Pointing>;
  readonly images: Record<string, Pointing>;
  readonly volumes: Record<string, { readonly instance: string | null; readonly head: string }>;
  readonly instances: Record<string, { readonly name: string }>;
}

/** A store, a key pair `k` and an image `base` in it. */
export async function makeRig(): Promise<Rig> {
  const folder = mkdtempSync(join(bedDir as string, "rig-"));
  await sure("chmod", "0711", folder);
  const home = join(folder, "store");
  const key = join(folder, "key");
  await sure("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key);
  const env = { ESTRATO_HOME: home };
  const estratoWith = (more: Record<string, string>, ...args: string[]) =>
    ENDS_PROCESS.some((name) => name in more) || OWNS_TERMINAL.includes(args[1] ?? "")
      ? run(program, args, { ...env, ...more })
      : runInProcess(args, { ...env, ...more });
  const estrato = (...args: string[]) => estratoWith({}, ...args);
  const ok = async (...args: string[]) => {
    const ran = await estrato(...args);
    if (ran.code !== 0) throw new Error(`estrato ${args.join(" ")}: exit ${ran.code}\n${ran.stdout}${ran.stderr}`);
    return ran.stdout.replace(/\n$/, "");
  };
  const json = async <T>(...args: string[]) => {
    const value = JSON.parse(await ok(...args, "-f", "json")) as T;
    if (!args.some((word) => CHOOSES.includes(word))) await expectSchemaOf(args, value);
    return value;
  };
  const met = new Set<string>();
  const bySsh = async (instance: string, line: string) => {
    let address: string | undefined;
    await until(`${instance} has an address`, async () => {
      const { addresses } = await json<{ addresses: string[] }>("instance", "show", instance);
      address = addresses[0];
      return address !== undefined;
    });
    const said = await ssh(key, address as string, line);
    met.add(instance);
    return said;
  };
  const guest = (instance: string, line: string) =>
    met.has(instance) ? byAgent(systemAgent, instance, line) : bySsh(instance, line);
  const state = (): StateFile => JSON.parse(readFileSync(join(home, "state.json"), "utf8"));
  let copies = 0;
  const layerOf = (name: string): string => {
    const { snapshots, images, layers } = state();
    const found = [...Object.values(snapshots), ...Object.values(images)].find((one) => one.name === name);
    const file = layers[found?.disks[0]?.layer ?? ""]?.file;
    if (file === undefined) throw new Error(`no snapshot or image ${name}`);
    return file;
  };
  const rig: Rig = {
    home,
    folder,
    key,
    base: "",
    estrato,
    estratoWith,
    ok,
    json,
    guest,
    bySsh,
    start: (more, ...args) => spawn(program, args, { env: { ...process.env, ...env, ...more }, stdio: "ignore" }),
    create: async (name, ...args) => {
      met.delete(name);
      const from = args.includes("--snapshot") || args.includes("--image") ? [] : ["--image", "base"];
      return ok(
        "instance",
        "create",
        name,
        ...from,
        ...small,
        "--key-name",
        "k",
        "--wait",
        "agent",
        "-f",
        "value",
        "-c",
        "id",
        ...args,
      );
    },
    layers: () => readdirSync(join(home, "layers")).sort(),
    state,
    copyOf: async (name) => {
      const copy = join(folder, `copy-${name}-${copies++}.qcow2`);
      await sure("qemu-img", "convert", "-U", "-O", "qcow2", layerOf(name), copy);
      return copy;
    },
    requireSame: async (name, copy) => {
      await sure("qemu-img", "compare", "-U", layerOf(name), copy);
    },
    heal: async () => {
      const repaired = await estrato("doctor", "--repair", "-y", "--lock-timeout", "60s");
      if (repaired.code !== 0)
        throw new Error(`doctor --repair: exit ${repaired.code}\n${repaired.stdout}${repaired.stderr}`);
      const looked = await estrato("doctor", "-f", "json");
      if (looked.code !== 0 || JSON.parse(looked.stdout).length > 0)
        throw new Error(`doctor: exit ${looked.code}\n${looked.stdout}${looked.stderr}`);
    },
  };
  await ok("keypair", "import", "k", "--file", `${key}.pub`);
  await ok("image", "create", "base", "--file", guestImage, "--disk-format", "qcow2");
  const base = Object.values(rig.state().layers)[0]?.file ?? "";
  return { ...rig, base };
}

/**
 * Starts a command that pulls something into this disk of a running guest, and returns while it does, slowed down so
 * that it does not end by itself. Where it was too quick, `again` undoes it, and it is tried once more.
 */
export async function whilePulling(
  instance: string,
  device: string,
  start: () => ChildProcess,
  again: () => Promise<unknown>,
): Promise<{ readonly child: ChildProcess; readonly ended: Promise<number | null> }> {
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    const child = start();
    let isOver = false;
    const ended = new Promise<number | null>((done) => child.once("exit", done));
    void ended.then(() => {
      isOver = true;
    });
    while (!isOver) {
      const slowed = await tryVirsh("blockjob", instance, device, "1");
      const job = slowed.code === 0 ? await virsh("blockjob", instance, device, "--info", "--raw") : "";
      if (job.includes("Block Pull")) return { child, ended };
    }
    await again();
  }
  throw new Error(`${instance}: nothing was seen to be pulled into ${device}`);
}
