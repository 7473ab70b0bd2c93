/** What QEMU itself has open: the truth of a running guest (DESIGN.md, section 3). */
import type { QemuDisk } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { diskAliases } from "./domain-xml.ts";
import { type JsonAnswer, readAnswer } from "./json-answer.ts";
import { printable } from "./process-failure.ts";
import { filePathOf } from "./qemu-file-names.ts";
import { isNoSuchDomain, queryBlock, type Virsh } from "./virsh.ts";

/** A drive as QEMU has it. */
interface QemuBlock {
  readonly qdev: string | null;
  /** Top first; null: without a medium. */
  readonly image: { readonly chain: readonly string[]; readonly sizeBytes: number } | null;
}

/** Everything that QEMU holds back of this disk goes to its files. "failed" where QEMU does not do it. */
export async function flushDisk(virsh: Virsh, uuid: string, device: string): Promise<void> {
  const { aliases, blocks } = await readBlocks(virsh, uuid);
  const alias = aliases.get(device);
  const qdev = blocks.find((block) => alias !== undefined && isDeviceOf(block.qdev ?? "", alias))?.qdev ?? null;
  if (qdev === null) throw new EstratoError("not_found", `${uuid}: QEMU has no disk ${device}`);
  // QMP has no command for it; the monitor's own `qemu-io` says nothing where all went well
  const flush = `qemu-io -d ${qdev} "flush"`;
  const complaint = (await virsh.output(["qemu-monitor-command", "--domain", uuid, "--hmp", flush])).trim();
  if (complaint !== "")
    throw new EstratoError("failed", `${uuid}: QEMU did not flush ${device}: ${printable(complaint)}`);
}

/**
 * The disks of a running domain with the chain of files that QEMU holds, top first. "not_found" without such a domain,
 * "conflict" where it is off.
 */
export async function qemuDisks(virsh: Virsh, uuid: string): Promise<QemuDisk[]> {
  const { aliases, blocks } = await readBlocks(virsh, uuid);
  return disksOf(blocks, aliases);
}

/** As `HostPort.isAsleep`: its run state (`query-status`) is `postmigrate`. Throws what `qemuDisks` throws. */
export async function isAsleep(virsh: Virsh, uuid: string): Promise<boolean> {
  const words = ["qemu-monitor-command", "--domain", uuid, '{"execute":"query-status"}'];
  const [answer] = await virsh.batch([words]);
  if (answer === undefined || answer.error !== null) throw unreadable(uuid, answer?.error ?? "no answer");
  return readAnswer(answer.text, MONITOR).inner("return")?.text("status") === "postmigrate";
}

/** Reads the answer to `query-named-block-nodes`. "failed" where it is none. */
export function parseNodes(json: string): { readonly name: string; readonly file: string }[] {
  return returned(json).flatMap((node) => {
    const [name, file] = [node.text("node-name"), node.text("file")];
    return name === null || file === null ? [] : [{ name, file: filePathOf(file) }];
  });
}

function returned(json: string): readonly JsonAnswer[] {
  const list = readAnswer(json, MONITOR).list("return");
  if (list === null) throw new EstratoError("failed", `${MONITOR}: an answer without a list`);
  return list;
}

const MONITOR = "virsh qemu-monitor-command";

/** The devices with this file on top that libvirt's definition does not name: their ids. */
export async function unknownDevices(virsh: Virsh, uuid: string, path: string): Promise<string[]> {
  const { aliases, blocks } = await readBlocks(virsh, uuid);
  return strangersOn(blocks, [...aliases.values()], path);
}

/** The same of an answer that is there already. */
export function strangersOn(blocks: readonly QemuBlock[], aliases: readonly string[], path: string): string[] {
  return blocks.flatMap(({ qdev, image }) => {
    if (qdev === null || image?.chain[0] !== path) return [];
    if (aliases.some((alias) => isDeviceOf(qdev, alias))) return [];
    return [/^\/machine\/peripheral\/([^/]+)/.exec(qdev)?.[1] ?? qdev];
  });
}

async function readBlocks(
  virsh: Virsh,
  uuid: string,
): Promise<{ aliases: Map<string, string>; blocks: readonly QemuBlock[] }> {
  const [live, blocks] = await virsh.batch([["dumpxml", "--domain", uuid], queryBlock(uuid)]);
  const error = live?.error ?? blocks?.error ?? null;
  if (error !== null || !live || !blocks) throw unreadable(uuid, error ?? "no answer");
  return { aliases: diskAliases(live.text), blocks: parseQueryBlock(blocks.text) };
}

function unreadable(uuid: string, error: string): EstratoError {
  if (isNoSuchDomain(error)) return new EstratoError("not_found", `${uuid}: no such domain`);
  if (/domain is not running/.test(error)) return new EstratoError("conflict", `${uuid}: the domain is not running`);
  return new EstratoError("failed", `virsh qemu-monitor-command: ${error}`);
}

/** Reads the answer to `query-block`. "failed" where it is none. */
export function parseQueryBlock(json: string): readonly QemuBlock[] {
  return returned(json).map((block) => {
    const image = block.inner("inserted")?.inner("image") ?? null;
    const sizeBytes = image?.count("virtual-size") ?? null;
    if (image !== null && sizeBytes === null) throw new EstratoError("failed", `${MONITOR}: a disk without a size`);
    return { qdev: block.text("qdev"), image: image && { chain: chainOf(image), sizeBytes: sizeBytes ?? 0 } };
  });
}

/** Blocks by target device; `aliases`: target device → alias. Drives without a medium are left out. */
export function disksOf(blocks: readonly QemuBlock[], aliases: ReadonlyMap<string, string>): QemuDisk[] {
  return [...aliases].flatMap(([device, alias]) => {
    const image = blocks.find(({ qdev }) => isDeviceOf(qdev ?? "", alias))?.image ?? null;
    return image === null ? [] : [{ device, chain: [...image.chain], sizeBytes: image.sizeBytes }];
  });
}

/** QEMU says `/machine/peripheral/virtio-disk0/virtio-backend` or the bare id. */
function isDeviceOf(qdev: string, alias: string): boolean {
  return qdev === alias || qdev.split("/").includes(alias);
}

function chainOf(top: JsonAnswer): string[] {
  const chain: string[] = [];
  for (let at: JsonAnswer | null = top; at !== null; at = at.inner("backing-image")) {
    const name = at.text("filename");
    if (name === null) throw new EstratoError("failed", `${MONITOR}: an image without a name`);
    const path = filePathOf(name);
    if (chain.at(-1) !== path) chain.push(path); // a filter node repeats the name of what it filters
  }
  return chain;
}
