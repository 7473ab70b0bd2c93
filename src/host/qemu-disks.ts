/** What QEMU itself has open: the truth of a running guest (DESIGN.md, section 3). */
import type { QemuDisk } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { diskAliases } from "./domain-xml.ts";
import { printable } from "./process-failure.ts";
import { filePathOf } from "./qemu-img-output.ts";
import { isNoSuchDomain, type Virsh } from "./virsh.ts";

interface QemuImage {
  readonly filename: string;
  readonly "virtual-size": number;
  readonly "backing-image"?: QemuImage;
}

interface QemuBlock {
  readonly qdev?: string;
  readonly inserted?: { readonly image: QemuImage };
}

/** Everything that QEMU holds back of this disk goes to its files. "failed" where QEMU does not do it. */
export async function flushDisk(virsh: Virsh, uuid: string, device: string): Promise<void> {
  const { aliases, blocks } = await readBlocks(virsh, uuid);
  const alias = aliases.get(device);
  const qdev = blocks.find((block) => alias !== undefined && isDeviceOf(block.qdev ?? "", alias))?.qdev;
  if (!qdev) throw new EstratoError("not_found", `${uuid}: QEMU has no disk ${device}`);
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

/** Reads the answer to `query-named-block-nodes`. */
export function parseNodes(json: string): { readonly name: string; readonly file: string }[] {
  const { return: nodes = [] } = JSON.parse(json) as {
    readonly return?: readonly { readonly "node-name": string; readonly file: string }[];
  };
  return nodes.map((node) => ({ name: node["node-name"], file: filePathOf(node.file) }));
}

/** The devices with this file on top that libvirt's definition does not name: their ids. */
export async function unknownDevices(virsh: Virsh, uuid: string, path: string): Promise<string[]> {
  const { aliases, blocks } = await readBlocks(virsh, uuid);
  return strangersOn(blocks, [...aliases.values()], path);
}

/** The same of an answer that is there already. */
export function strangersOn(blocks: readonly QemuBlock[], aliases: readonly string[], path: string): string[] {
  return blocks.flatMap(({ qdev, inserted }) => {
    if (qdev === undefined || inserted === undefined || chainOf(inserted.image)[0] !== path) return [];
    if (aliases.some((alias) => isDeviceOf(qdev, alias))) return [];
    return [/^\/machine\/peripheral\/([^/]+)/.exec(qdev)?.[1] ?? qdev];
  });
}

async function readBlocks(
  virsh: Virsh,
  uuid: string,
): Promise<{ aliases: Map<string, string>; blocks: readonly QemuBlock[] }> {
  const [live, blocks] = await virsh.batch([
    ["dumpxml", "--domain", uuid],
    ["qemu-monitor-command", "--domain", uuid, '{"execute":"query-block"}'],
  ]);
  const error = live?.error ?? blocks?.error ?? null;
  if (error !== null || !live || !blocks) throw unreadable(uuid, error ?? "no answer");
  return { aliases: diskAliases(live.text), blocks: parseQueryBlock(blocks.text) };
}

function unreadable(uuid: string, error: string): EstratoError {
  if (isNoSuchDomain(error)) return new EstratoError("not_found", `${uuid}: no such domain`);
  if (/domain is not running/.test(error)) return new EstratoError("conflict", `${uuid}: the domain is not running`);
  return new EstratoError("failed", `virsh qemu-monitor-command: ${error}`);
}

/** Reads the answer to `query-block`. */
export function parseQueryBlock(json: string): readonly QemuBlock[] {
  return (JSON.parse(json) as { readonly return?: readonly QemuBlock[] }).return ?? [];
}

/** Blocks by target device; `aliases`: target device → alias. Drives without a medium are left out. */
export function disksOf(blocks: readonly QemuBlock[], aliases: ReadonlyMap<string, string>): QemuDisk[] {
  return [...aliases].flatMap(([device, alias]) => {
    const image = blocks.find(({ qdev }) => isDeviceOf(qdev ?? "", alias))?.inserted?.image;
    if (image === undefined) return [];
    return [{ device, chain: chainOf(image), sizeBytes: image["virtual-size"] }];
  });
}

/** QEMU says `/machine/peripheral/virtio-disk0/virtio-backend` or the bare id. */
function isDeviceOf(qdev: string, alias: string): boolean {
  return qdev === alias || qdev.split("/").includes(alias);
}

function chainOf(top: QemuImage): string[] {
  const chain: string[] = [];
  for (let at: QemuImage | undefined = top; at; at = at["backing-image"]) {
    const path = filePathOf(at.filename);
    if (chain.at(-1) !== path) chain.push(path); // a filter node repeats the name of what it filters
  }
  return chain;
}
