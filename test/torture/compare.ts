/** Compares what should be there with what is, bit by bit. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { chainOf } from "./chain.ts";
import { CELL_BYTES, type Content, difference, type Format, readContent } from "./content.ts";
import type { Ground } from "./ground.ts";
import type { Model } from "./model.ts";

export interface Expected {
  readonly what: string;
  readonly file: string;
  readonly format: Format;
  readonly content: Content;
  /** Id, of a volume. */
  readonly volume?: string;
}

/** What a file and all that it stands on was: the kernel changes it with each write, and nobody can set it. */
function signature(file: string): string {
  return chainOf(file)
    .map((one) => {
      const { dev, ino, size, ctimeNs } = statSync(one, { bigint: true });
      return `${one}:${dev}:${ino}:${size}:${ctimeNs}`;
    })
    .join(" ");
}

export class Comparer {
  compared = 0;
  bytes = 0;
  private readonly known = new Map<string, { readonly signature: string; readonly content: Content }>();
  private readonly ground: Ground;

  constructor(ground: Ground) {
    this.ground = ground;
  }

  /** Everything that is expected; what has not been touched since it was read last only where `all` is said. */
  async compare(model: Model, all: boolean): Promise<string[]> {
    const wrong: string[] = [];
    for (const { what, file, format, content } of await expected(model, this.ground)) {
      try {
        const now = signature(file);
        let known = this.known.get(file);
        if (known === undefined || known.signature !== now || all) {
          known = { signature: now, content: await readContent(file, format, join(this.ground.folder, "read.raw")) };
          this.known.set(file, known);
          this.bytes += known.content.length * CELL_BYTES;
        }
        this.compared += 1;
        const differs = difference(content, known.content);
        if (differs !== null) wrong.push(`${what}: ${differs} (${file})`);
      } catch (error) {
        wrong.push(`${what}: ${(error as Error).message}`);
      }
    }
    return wrong;
  }

  /** What was cut off may have been done or not: those volumes that hold what they were to hold are taken to. */
  async settle(model: Model, writes: ReadonlyMap<string, Content>): Promise<void> {
    for (const { volume, file, format, content } of await expected(model, this.ground)) {
      const after = writes.get(volume ?? "");
      if (volume === undefined || after === undefined) continue;
      const found = await readContent(file, format, join(this.ground.folder, "read.raw"));
      if (difference(content, found) !== null) model.write(volume, after);
    }
  }
}

async function expected(model: Model, ground: Ground): Promise<Expected[]> {
  const { layers, volumes, snapshots, images } = model.state;
  const layer = (id: string | undefined) => layers[id ?? ""] ?? { file: `/no layer ${id}`, format: "qcow2" as const };
  const all: Expected[] = [];
  const domains = new Map<string, Awaited<ReturnType<Ground["disksOf"]>>>();
  for (const { kind, id, name, disks, target } of model.things.values()) {
    for (const [key, content] of disks) {
      const what = `${kind} ${name ?? id} ${key}`;
      if (kind === "backup") {
        if (!model.away.has(target ?? ""))
          all.push({ what, file: `${target}/${id}/${key}.qcow2`, format: "qcow2", content });
      } else if (kind === "volume") {
        const { head, instance, device } = volumes[id] ?? { head: "", instance: null, device: null };
        if (instance !== null && !domains.has(instance)) domains.set(instance, await ground.disksOf(instance));
        const disk = domains.get(instance ?? "")?.find((one) => one.device === device);
        const { file, format } = disk ?? layer(head);
        all.push({ what, file, format, content, volume: id });
      } else {
        const pointing = kind === "snapshot" ? snapshots[id] : images[id];
        const disk = pointing?.disks.find((one) => ("volume" in one ? one.volume : one.device) === key);
        const { file, format } = layer(disk?.layer);
        all.push({ what, file, format, content });
      }
    }
  }
  for (const { name, disks } of model.strangers.values())
    for (const [device, file] of disks) all.push({ what: `guest ${name} ${device}`, ...file });
  for (const file of model.files.values()) all.push({ what: "a file of others", ...file });
  return all;
}
