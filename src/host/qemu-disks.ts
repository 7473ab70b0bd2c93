/** What QEMU itself has open: the truth of a running guest (DESIGN, section 3). */
import { EstratoError } from "../errors.ts";
import { diskAliases } from "./domain-xml.ts";
import { filePathOf } from "./qemu-img-output.ts";
import type { QemuDisk } from "./types.ts";
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

/** The disks of a running domain with the chain of files that QEMU holds, top first. "not_found" without such a domain, "conflict" where it is off. */
export async function qemuDisks(virsh: Virsh, uuid: string): Promise<QemuDisk[]> {
  const [live, blocks] = await virsh.batch([
    ["dumpxml", "--domain", uuid],
    ["qemu-monitor-command", "--domain", uuid, '{"execute":"query-block"}'],
  ]);
  const error = live?.error ?? blocks?.error ?? null;
  if (error !== null || !live || !blocks) throw unreadable(uuid, error ?? "no answer");
  return parseQueryBlock(blocks.text, diskAliases(live.text));
}

function unreadable(uuid: string, error: string): EstratoError {
  if (isNoSuchDomain(error)) return new EstratoError("not_found", `${uuid}: no such domain`);
  if (/domain is not running/.test(error)) return new EstratoError("conflict", `${uuid}: the domain is not running`);
  return new EstratoError("failed", `virsh qemu-monitor-command: ${error}`);
}

/** Reads the answer to `query-block`; `aliases`: target device → alias. Drives without a medium are left out. */
export function parseQueryBlock(json: string, aliases: ReadonlyMap<string, string>): QemuDisk[] {
  const answer = JSON.parse(json) as { readonly return?: readonly QemuBlock[] };
  const blocks = answer.return ?? [];
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
