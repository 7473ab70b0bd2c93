/** The verbs of images. */
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { sure } from "../../e2e/processes.ts";
import { BORROWER } from "../borrower.ts";
import { blank, difference, type Format, MIB_CELLS, randomWrites, readContent, written } from "../content.ts";
import { type Move, verb } from "../deed.ts";
import { writeFile } from "../domains.ts";
import type { Said } from "../effect.ts";
import { servedAt } from "../served.ts";
import { borrows } from "./borrowed.ts";
import { propertyChange } from "./properties.ts";

const MOST_IMAGES = 8;

const sumOf = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

const create: Move = {
  name: "image create",
  weight: 7,
  async plan(scene, dice) {
    const { model } = scene;
    if (model.of("image").length >= MOST_IMAGES) return null;
    const name = scene.name("i");
    const guards = dice.chance(10) && model.things.size > 0;
    const adds = [{ kind: "image", name, says: { protected: guards } }] as const;
    const words = ["image", "create", name, ...(guards ? ["--protect"] : [])];
    const how = dice.below(4);
    if (how === 0 || model.things.size === 0) {
      const mib = 1 + dice.below(8);
      const format: Format = dice.chance(50) ? "raw" : "qcow2";
      const writes = randomWrites(dice, mib * MIB_CELLS);
      const file = scene.file(`${name}.${format}`);
      await sure("qemu-img", "create", "-q", "-f", format, file, `${mib}M`);
      await writeFile({ file, format }, writes);
      const made = new Map([["vda", written(blank(mib), writes)]]);
      const url = dice.chance(30) ? await servedAt(file) : null;
      const from = url === null ? ["--file", file] : ["--url", url, "--checksum", `sha256:${sumOf(file)}`];
      return verb([...words, ...from, "--disk-format", format], { adds, made });
    }
    if (how === 1) {
      const one = scene.instance(dice);
      if (one === undefined) return null;
      return verb([...words, "--from-instance", one[1]], { adds, made: model.contentsOf(one[0]) });
    }
    if (how === 2) {
      const one = scene.snapshot(dice, ({ type }) => type === "instance");
      const disks = model.things.get(one?.id ?? "")?.disks;
      if (one === undefined || disks === undefined) return null;
      const made = new Map(one.disks.map(({ device, volume }) => [device, disks.get(volume) as Uint8Array]));
      return verb([...words, "--from-snapshot", scene.snapshotName(one)], { adds, made });
    }
    const volume = scene.volume(dice, () => true);
    if (volume === undefined) return null;
    const content = model.held(volume.id);
    const made = new Map([
      ["vda", content],
      [volume.device ?? "vda", content],
    ]);
    return verb([...words, "--from-volume", scene.volumeName(volume)], { adds, made });
  },
};

const remove: Move = {
  name: "image delete",
  weight: 4,
  plan(scene, dice) {
    const one = scene.thing("image", dice);
    if (one === undefined) return null;
    const words = ["image", "delete", one.name ?? ""];
    return scene.model.said.isProtected(one.id) || borrows(scene, one.id)
      ? verb(words, {}, { mustRefuse: 5 })
      : verb(words, { removes: [one.id] });
  },
};

const set: Move = {
  name: "image set",
  weight: 4,
  plan(scene, dice) {
    const one = scene.thing("image", dice);
    if (one === undefined) return null;
    const words = ["image", "set", one.name ?? ""];
    const says = (said: Said) => ({ says: new Map([[one.id, said]]) });
    switch (dice.below(5)) {
      case 0: {
        const name = scene.name("i");
        return verb([...words, "--name", name], says({ name }));
      }
      case 1: {
        const [said, properties] = propertyChange(scene, dice, one.id);
        return verb([...words, ...said], says({ properties }));
      }
      case 2: {
        const mib = 1 + dice.below(3);
        const bytes = mib * 1024 ** 2;
        return verb([...words, "--min-disk", `${mib}M`, "--min-ram", `${mib}M`], {
          ...says({ minDiskBytes: bytes, minRamBytes: bytes }),
        });
      }
      default: {
        const guards = !scene.model.said.isProtected(one.id);
        return verb([...words, guards ? "--protect" : "--unprotect"], says({ protected: guards }));
      }
    }
  },
};

const share: Move = {
  name: "image share",
  weight: 9,
  plan(scene, dice) {
    const one = scene.thing("image", dice);
    if (one === undefined) return null;
    const words = ["image", "share", one.name ?? ""];
    const sharedWith = scene.model.said.of(one.id).sharedWith as string[];
    if (dice.chance(30)) return verb([...words, "--public"], { says: new Map([[one.id, { isPublic: true }]]) });
    const said = { sharedWith: [...new Set([...sharedWith, BORROWER])] };
    return verb([...words, "--with", BORROWER], { says: new Map([[one.id, said]]) });
  },
};

const unshare: Move = {
  name: "image unshare",
  weight: 3,
  plan(scene, dice) {
    const { said } = scene.model;
    const isShared = ({ isPublic, sharedWith }: Said) => isPublic === true || (sharedWith as string[]).length > 0;
    const one = scene.thing("image", dice, ({ id }) => isShared(said.of(id)));
    if (one === undefined) return null;
    const words = ["image", "unshare", one.name ?? ""];
    if (borrows(scene, one.id)) return verb(words, {}, { mustRefuse: 5 });
    const { isPublic, sharedWith } = said.of(one.id);
    if (dice.chance(40) && isPublic === false && (sharedWith as string[]).includes(BORROWER))
      return verb([...words, "--with", BORROWER], { says: new Map([[one.id, { sharedWith: [] }]]) });
    return verb(words, { says: new Map([[one.id, { isPublic: false, sharedWith: [] }]]) });
  },
};

const save: Move = {
  name: "image save",
  weight: 2,
  plan(scene, dice) {
    const one = scene.thing("image", dice);
    const [device, content] = dice.pick([...(one?.disks ?? [])].sort()) ?? [];
    if (one === undefined || device === undefined || content === undefined) return null;
    const file = scene.file(`${scene.name("saved")}.img`);
    const isLocked = scene.model.state.images[one.id]?.disks.some((disk) => scene.isLocked(disk.layer));
    const format: Format = dice.chance(50) && !isLocked ? "raw" : "qcow2";
    const how = [
      ...(isLocked || (format === "qcow2" && dice.chance(20))
        ? ["--encrypt", "--passphrase-file", scene.ground.key]
        : []),
      "--disk",
      device,
      "--disk-format",
      format,
      ...(format === "qcow2" && dice.chance(30) ? ["--compress"] : []),
    ];
    return {
      ...verb(["image", "save", one.name ?? "", "--file", file, ...how], {}),
      after: async () => {
        const differs = difference(content, await readContent(file, format, join(scene.ground.folder, "read.raw")));
        rmSync(file);
        return differs === null ? [] : [`${file}: ${differs}`];
      },
    };
  },
};

export const imageMoves: readonly Move[] = [create, remove, save, set, share, unshare];
