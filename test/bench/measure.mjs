// What commands take: wall time, processor time (theirs and their children's) and the memory of the largest of them.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** GNU time tells what wait4(2) does; Node does not. */
const TIME = "/usr/bin/time";

/**
 * @typedef {{ ms: number, cpuMs: number, rssMiB: number, stdout?: string, stderr?: string }} Sample
 */

/** @returns {Sample} both, one after the other */
export function both(a, b) {
  return { ms: a.ms + b.ms, cpuMs: a.cpuMs + b.cpuMs, rssMiB: Math.max(a.rssMiB, b.rssMiB) };
}

/** @returns {Sample} of each figure its median; what is only a number is milliseconds */
export function median(samples) {
  const all = samples.map((one) => (typeof one === "number" ? { ms: one, cpuMs: 0, rssMiB: 0 } : one));
  const middle = (key) => all.map((one) => one[key]).toSorted((a, b) => a - b)[Math.floor(all.length / 2)];
  return { ms: middle("ms"), cpuMs: middle("cpuMs"), rssMiB: middle("rssMiB") };
}

/** How commands are run for a bench that has `folder` to itself. */
export function runner(folder, env) {
  const told = join(folder, "time");
  const timed = existsSync(TIME);

  /** @returns {Sample} Throws where it fails, unless `mayFail`. */
  function run(file, args, { more = {}, mayFail = false } = {}) {
    const words = timed ? [TIME, "-q", "-o", told, "-f", "%U %S %M", file, ...args] : [file, ...args];
    const began = performance.now();
    const ran = spawnSync(words[0], words.slice(1), {
      env: { ...env, ...more },
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    const ms = performance.now() - began;
    if (ran.status !== 0 && !mayFail)
      throw new Error(`${file} ${args.join(" ").slice(0, 300)}: exit ${ran.status}\n${ran.stderr}`);
    const [user = 0, system = 0, kib = 0] = timed ? readFileSync(told, "utf8").trim().split(" ").map(Number) : [];
    return { ms, cpuMs: (user + system) * 1000, rssMiB: kib / 1024, stdout: ran.stdout, stderr: ran.stderr };
  }

  /** The same while others run. */
  async function meanwhile(file, args, more = {}) {
    const began = performance.now();
    const child = spawn(file, args, { env: { ...env, ...more }, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    if (code !== 0) throw new Error(`${file} ${args.join(" ").slice(0, 300)}: exit ${code}\n${said}`);
    return performance.now() - began;
  }

  /** One virsh for many lines, each a command of its own. */
  function virshAll(lines) {
    for (let at = 0; at < lines.length; at += 100)
      execFileSync("virsh", ["-q", lines.slice(at, at + 100).join("; ")], { env });
  }

  return {
    run,
    meanwhile,
    virsh: (...args) => run("virsh", ["-q", ...args]),
    virshAll,
    /** virsh reads no pipe. */
    define(...documents) {
      const files = documents.map((xml, index) => {
        const file = join(folder, `domain-${index}.xml`);
        writeFileSync(file, xml);
        return file;
      });
      virshAll(files.map((file) => `define ${file}`));
    },
    node: () => run(process.execPath, ["-e", "0"]),
  };
}

/**
 * Medians of several ways, taken in turns, so that a slow minute of the machine hits all of them. No round is begun
 * after `longestMs`: on a slow machine there are fewer.
 */
export function inTurns(rounds, ways, longestMs = Number.POSITIVE_INFINITY) {
  const names = Object.keys(ways);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  const began = performance.now();
  for (let round = 0; round < rounds && (round === 0 || performance.now() - began < longestMs); round += 1)
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(turn + round) % names.length]; // nobody is always the first
      samples[name].push(ways[name](round));
    }
  return Object.fromEntries(names.map((name) => [name, median(samples[name])]));
}

/** Adds to the list that has this key. */
export function put(lists, key, value) {
  lists[key] ??= [];
  lists[key].push(value);
}

/** A domain that runs without an operating system, and does nothing. */
export function idleDomain(name, disk, memoryMiB = 32) {
  return `<domain type='qemu'><name>${name}</name><memory unit='MiB'>${memoryMiB}</memory><vcpu>1</vcpu><os><type>hvm</type></os>
    <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`;
}
