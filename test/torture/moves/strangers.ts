/** Guests that other tools make: of files of their own, as copies of ours, and on what ours stand on. */
import { sure } from "../../e2e/processes.ts";
import { blank, CELL_BYTES, type Format, MIB_CELLS, randomWrites, written } from "../content.ts";
import { type Move, other } from "../deed.ts";
import type { Dice } from "../dice.ts";
import { defineGuest, disksOfDomain, writeFile } from "../domains.ts";
import type { File } from "../effect.ts";
import { isEncrypted } from "../luks.ts";
import type { Scene } from "../scene.ts";

const MOST_STRANGERS = 3;

export async function makeFile(scene: Scene, dice: Dice, name: string): Promise<File> {
  const mib = 1 + dice.below(8);
  const format: Format = dice.chance(30) ? "raw" : "qcow2";
  const file = scene.file(`${name}.${format}`);
  const writes = randomWrites(dice, mib * MIB_CELLS);
  await sure("qemu-img", "create", "-q", "-f", format, file, `${mib}M`);
  await writeFile({ file, format }, writes);
  return { file, format, content: written(blank(mib), writes) };
}

async function defineStranger(scene: Scene, name: string, files: readonly File[]): Promise<void> {
  const disks = new Map(files.map((file, index) => [`vd${"abc"[index]}`, file]));
  const uuid = await defineGuest(
    scene.ground.folder,
    name,
    [...disks].map(([device, { file, format }]) => ({ device, file, format })),
  );
  scene.model.strangers.set(uuid, { name, disks });
}

const stranger: Move = {
  name: "virsh define",
  weight: 4,
  plan(scene, dice) {
    if (scene.model.strangers.size >= MOST_STRANGERS || scene.model.instances.size > 6) return null;
    const name = scene.name("g");
    const count = 1 + dice.below(2);
    return other(`virsh define ${name}, of ${count} disks`, async () => {
      const files: File[] = [];
      for (let index = 0; index < count; index += 1) files.push(await makeFile(scene, dice, `${name}-${index}`));
      await defineStranger(scene, name, files);
    });
  },
};

/** As virt-clone: copies of the disks, and a domain of its own; or overlays, where they are linked. */
const clone: Move = {
  name: "virt-clone",
  weight: 3,
  async plan(scene, dice) {
    if (scene.model.strangers.size >= MOST_STRANGERS) return null;
    const one = scene.defined(dice, (id) => !scene.running.has(id));
    if (one === undefined) return null;
    const disks = (await disksOfDomain(one[0])) ?? [];
    const contents = scene.model.contentsOf(one[0]);
    if (disks.length === 0 || disks.some(({ device, file }) => !contents.has(device) || isEncrypted(file))) return null;
    const name = scene.name("c");
    return other(`virt-clone ${one[1]} ${name}`, async () => {
      const files: File[] = [];
      for (const { device, file, format } of disks) {
        const copy = scene.file(`${name}-${device}.qcow2`);
        await sure("qemu-img", "convert", "-f", format, "-O", "qcow2", file, copy);
        files.push({ file: copy, format: "qcow2", content: contents.get(device) as Uint8Array });
      }
      await defineStranger(scene, name, files);
    });
  },
};

/** A guest of another tool on what a snapshot or an image of ours holds. */
const linked: Move = {
  name: "linked clone",
  weight: 3,
  plan(scene, dice) {
    if (scene.model.strangers.size >= MOST_STRANGERS) return null;
    const { snapshots, images, layers } = scene.model.state;
    const thing = scene.thing(dice.chance(50) ? "snapshot" : "image", dice);
    const disk = (snapshots[thing?.id ?? ""] ?? images[thing?.id ?? ""])?.disks[0];
    const content = thing?.disks.get(disk !== undefined && "volume" in disk ? disk.volume : (disk?.device ?? ""));
    const layer = layers[disk?.layer ?? ""];
    if (disk === undefined || content === undefined || layer === undefined || layer.secret !== null) return null;
    const name = scene.name("l");
    return other(`qemu-img create -b ${thing?.name} ${name}.qcow2; virsh define ${name}`, async () => {
      const file = scene.file(`${name}.qcow2`);
      const size = `${(content.length * CELL_BYTES) / 1024}K`;
      await sure("qemu-img", "create", "-q", "-f", "qcow2", "-b", layer.file, "-F", layer.format, file, size);
      await defineStranger(scene, name, [{ file, format: "qcow2", content }]);
    });
  },
};

export const strangerMoves: readonly Move[] = [stranger, clone, linked];
