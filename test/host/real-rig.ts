/**
 * The rig on a real host: qemu-img makes the disks, and QEMU's own console writes for guests that have no operating
 * system.
 */
import { execFile } from "node:child_process";
import { chmod, mkdtemp, open, readFile, rm, writeFile as writeText } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createHost } from "../../src/host/index.ts";
import { PATIENCE_MS, pauses } from "../wait.ts";
import { CLUSTER_BYTES, type Content, DISK_BYTES, type Rig } from "./rig.ts";

const run = promisify(execFile);

/** Where we may work; a loud error outside of a bed: these tests end domains and write to disks. */
export function bedFolder(): string {
  const { ESTRATO_BED, ESTRATO_BED_DIR } = process.env;
  if (ESTRATO_BED !== "1" || !ESTRATO_BED_DIR) {
    throw new Error("These tests need a private test host. Run: test/bed/bed run -- npx vitest run --project host");
  }
  return ESTRATO_BED_DIR;
}

const URI = "qemu:///system";

async function virsh(...args: readonly string[]): Promise<string> {
  return (await run("virsh", ["-q", "-c", URI, ...args])).stdout;
}

export async function openRealRig(): Promise<Rig> {
  const folder = await mkdtemp(join(bedFolder(), "rig-"));
  await chmod(folder, 0o711);
  const host = createHost({ uri: URI, env: process.env });
  const rig: Rig = {
    host,
    folder,
    async addImage(name, { format = "qcow2", content = {}, backing } = {}) {
      const path = join(folder, name);
      const stands = backing === undefined ? [] : ["-b", backing, "-F", "qcow2"];
      await run("qemu-img", ["create", "-q", "-f", format, ...stands, path, String(DISK_BYTES)]);
      for (const [cluster, letter] of Object.entries(content)) await writeFile(path, format, Number(cluster), letter);
      return path;
    },
    async addText(name, text) {
      const path = join(folder, name);
      await writeText(path, text, { mode: 0o600 });
      return path;
    },
    write: (path, cluster, letter) => writeFile(path, "qcow2", cluster, letter),
    read: (path) => readContent(path, folder),
    async guestWrite(uuid, device, cluster, letter) {
      const alias = await aliasOf(uuid, device);
      const target = `/machine/peripheral/${alias}/virtio-backend`;
      for (const line of [writeLine(cluster, letter), "flush"]) {
        const said = await virsh("qemu-monitor-command", uuid, "--hmp", `qemu-io -d ${target} "${line}"`);
        if (said.trim() !== "") throw new Error(`qemu-io in QEMU: ${said}`);
      }
    },
    bootedGuest: (name) => bootGuest(rig, name),
    async freeze(uuid) {
      await virsh("qemu-agent-command", uuid, '{"execute":"guest-fsfreeze-freeze"}', "--timeout", "20");
    },
    async leaveOpen(uuid, path) {
      await run("chown", ["libvirt-qemu", path]); // libvirt gives it to QEMU's user first
      const add = async (node: object) => {
        const command = JSON.stringify({ execute: "blockdev-add", arguments: node });
        const said = await virsh("qemu-monitor-command", uuid, command);
        if (/"error"/.test(said)) throw new Error(`blockdev-add: ${said}`);
      };
      await add({ "node-name": "left-storage", driver: "file", filename: path });
      await add({ "node-name": "left-format", driver: "qcow2", file: "left-storage" });
    },
    async leaveCommit(uuid, device, base) {
      await virsh("blockcommit", uuid, device, "--active", "--base", base);
    },
    async leaveCopy(uuid, device, to) {
      await virsh("blockcopy", uuid, device, "--dest", to, "--transient-job");
    },
    async killQemu(uuid) {
      const name = (await host.domainStatus(uuid))?.name;
      process.kill(Number(await readFile(`/run/libvirt/qemu/${name}.pid`, "utf8")), "SIGKILL");
      while ((await host.domainStatus(uuid))?.live) await new Promise((resolve) => setTimeout(resolve, 20));
    },
    async close() {
      for (const { uuid, state } of await host.listDomains()) {
        if (state !== "shutoff") await virsh("destroy", uuid);
        await virsh("undefine", uuid, "--nvram", "--managed-save");
      }
      for (const { uuid } of await host.listSecrets()) await virsh("secret-undefine", uuid);
      await rm(folder, { recursive: true, force: true });
    },
  };
  return rig;
}

function writeLine(cluster: number, letter: string): string {
  return `write -P ${letter.charCodeAt(0)} ${cluster * CLUSTER_BYTES} ${CLUSTER_BYTES}`;
}

async function writeFile(path: string, format: string, cluster: number, letter: string): Promise<void> {
  await run("qemu-io", ["-f", format, "-c", writeLine(cluster, letter), path]);
}

async function aliasOf(uuid: string, device: string): Promise<string> {
  const xml = await virsh("dumpxml", uuid);
  const disk = xml.split("<disk ").find((each) => each.includes(`<target dev='${device}'`)) ?? "";
  return /<alias name='([^']+)'/.exec(disk)?.[1] ?? "";
}

/** Reads every byte: a cluster that is not one letter throughout is an error of its own. */
async function readContent(path: string, folder: string): Promise<Content> {
  const raw = join(folder, ".read");
  const { stdout } = await run("qemu-img", ["info", "-U", "--output=json", path]);
  const { format } = JSON.parse(stdout) as { format: string };
  await run("qemu-img", ["convert", "-U", "-f", format, "-O", "raw", path, raw]);
  const file = await open(raw);
  const content: Record<number, string> = {};
  try {
    const bytes = await file.readFile();
    for (let cluster = 0; cluster * CLUSTER_BYTES < bytes.length; cluster += 1) {
      const part = bytes.subarray(cluster * CLUSTER_BYTES, (cluster + 1) * CLUSTER_BYTES);
      const first = part[0] ?? 0;
      if (!part.every((byte) => byte === first)) throw new Error(`cluster ${cluster} of ${path} is torn`);
      if (first !== 0) content[cluster] = String.fromCharCode(first);
    }
  } finally {
    await file.close();
    await rm(raw);
  }
  return content;
}

/** A guest of the bed on a head of its own, with the agent up. */
async function bootGuest(rig: Rig, name: string): Promise<string> {
  const image = process.env.ESTRATO_BED_GUEST ?? "";
  const { virtualSizeBytes = 0 } = (await rig.host.imageInfo(image, { format: "qcow2" })) ?? {};
  const path = join(rig.folder, name);
  await rig.host.perform({
    do: "create-disk",
    path,
    backing: { path: image, format: "qcow2" },
    sizeBytes: virtualSizeBytes,
  });
  const uuid = "22222222-0000-4000-8000-000000000001";
  const xml = await rig.host.newDefinition({
    name,
    uuid,
    vcpus: 1,
    ramBytes: 192 * 2 ** 20,
    disks: [{ device: "vda", path, format: "qcow2", readonly: false, serial: null }],
    interfaces: [{ network: "default", mac: "52:54:00:e5:00:42" }],
    consoleLog: join(rig.folder, `${name}.console`),
  });
  await rig.host.perform({ do: "define", xml });
  await rig.host.perform({ do: "start", domain: uuid, paused: false });
  for await (const _ of pauses(PATIENCE_MS)) if (await rig.host.agentPing(uuid, 5000)) return uuid;
  throw new Error(`the agent of ${name} did not come up`);
}
