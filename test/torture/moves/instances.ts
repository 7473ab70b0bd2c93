/** The verbs of instances. */
import type { State } from "../../../src/core/model/state.ts";
import { virsh } from "../../e2e/virsh.ts";
import type { Content } from "../content.ts";
import { grownTo, MIB_CELLS, randomWrites, written } from "../content.ts";
import { type Move, verb } from "../deed.ts";
import type { Dice } from "../dice.ts";
import { disksOfDomain, liveState, writeAsGuest } from "../domains.ts";
import type { Scene } from "../scene.ts";
import { MOST_RUNNING, powerMoves } from "./power.ts";
import { propertyChange } from "./properties.ts";

const SIZE = ["--vcpus", "1", "--ram", "64M"];
const ALONE = ["--network", "none"];
export const SMALL = [...SIZE, ...ALONE];
/** Ports of this host: few, so that one is taken now and then. */
const forwardOf = (dice: Dice) => `${9000 + dice.below(5)}:80`;
const MOST_INSTANCES = 6;

/** Of a guest without firmware the new one's disks are vda, vdb, … in their order, whatever they were called. */
export const inOrder = (contents: readonly Content[]) =>
  new Map(contents.map((content, index) => [`vd${"abcdef"[index]}`, content]));

const imageToMakeOf = (scene: Scene, dice: Dice) =>
  scene.thing("image", dice, ({ id }) => scene.model.state.images[id]?.type !== "shelved");

/** An image or a snapshot, and what the disks of a guest that is made of it hold, by device. */
function source(scene: Scene, dice: Dice): { words: string[]; made: Map<string, Content> } | null {
  const { model } = scene;
  const what = dice.below(4);
  if (what === 0) {
    const one = scene.snapshot(dice, ({ type }) => type === "instance");
    const disks = model.things.get(one?.id ?? "")?.disks;
    if (one === undefined || disks === undefined) return null;
    const made = inOrder(one.disks.map(({ volume }) => disks.get(volume) as Content));
    return { words: ["--snapshot", scene.snapshotName(one)], made };
  }
  const one = imageToMakeOf(scene, dice);
  if (one === undefined) return null;
  const disks = model.state.images[one.id]?.disks ?? [];
  return {
    words: ["--image", one.name ?? ""],
    made: inOrder(disks.map(({ device }) => one.disks.get(device) as Content)),
  };
}

const create: Move = {
  name: "instance create",
  weight: 8,
  plan(scene, dice) {
    if (scene.model.instances.size >= MOST_INSTANCES) return null;
    const from = source(scene, dice);
    if (from === null) return null;
    const name = scene.name("w");
    const made = new Map(from.made);
    const network = dice.chance(70) ? ALONE : ["--network", "user", "--forward", forwardOf(dice)];
    const words = ["instance", "create", name, ...from.words, ...SIZE, ...network];
    const root = made.get("vda");
    if (root !== undefined && dice.chance(20)) {
      const mib = Math.ceil(root.length / MIB_CELLS) + dice.below(3);
      words.push("--disk", `${mib}M`);
      made.set("vda", grownTo(root, mib * MIB_CELLS));
    }
    if (scene.running.size >= MOST_RUNNING || dice.chance(80)) words.push("--no-start");
    return verb(words, { instance: name, made });
  },
};

/** On its own image, whether or not that is one still, or on another. */
const rebuild: Move = {
  name: "instance rebuild",
  weight: 6,
  plan(scene, dice) {
    const { model } = scene;
    const one = scene.instance(dice);
    const record = model.state.instances[one?.[0] ?? ""];
    if (one === undefined || record === undefined) return null;
    const { base, origin } = record;
    const isOwn = base !== undefined && base.disks.length > 0 && dice.chance(60);
    const image = isOwn ? base.image : imageToMakeOf(scene, dice)?.id;
    const held = model.everImages.get(image ?? "");
    if (image === undefined || held === undefined) return null;
    const own = model.volumesOf(one[0]).filter(([, id]) => {
      return origin === "created"
        ? model.state.volumes[id]?.deleteWithInstance
        : model.origins.get(id)?.instance === one[0];
    });
    const words = ["instance", "rebuild", one[1], ...(isOwn ? [] : ["--image", image]), "-y"];
    if (own.length !== held.size) return verb(words, {}, { mustRefuse: 5 });
    const contents = [...held].sort(([a], [b]) => a.localeCompare(b)).map(([, content]) => content);
    const writes = own.map(([, id], index) => {
      const content = contents[index] as Content;
      return [id, grownTo(content, Math.max(content.length, model.held(id).length))] as const;
    });
    return verb(words, { writes: new Map(writes), automatic: true });
  },
};

const set: Move = {
  name: "instance set",
  weight: 4,
  plan(scene, dice) {
    const one = scene.instance(dice);
    if (one === undefined) return null;
    const [id, old] = one;
    const words = ["instance", "set", old];
    const forwards = scene.model.state.instances[id]?.userNetwork?.forwards;
    const how = dice.below(forwards === undefined ? 3 : 5);
    if (how > 2) {
      const dropped = dice.chance(40) ? dice.pick((forwards ?? []).map(({ host }) => host).sort()) : undefined;
      const drop = dropped === undefined ? [] : ["--no-forward", `${dropped}`];
      return verb([...words, ...drop, "--forward", forwardOf(dice)], {});
    }
    if (how === 0) {
      const name = scene.name("r");
      return verb([...words, "--name", name], { says: new Map([[id, { name }]]) });
    }
    if (how === 1) {
      const [said, properties] = propertyChange(scene, dice, id);
      return verb([...words, ...said], { says: new Map([[id, { properties }]]) });
    }
    const wished = dice.chance(50);
    const after = async () =>
      /^Autostart:\s+enable$/m.test(await virsh("dominfo", id)) === wished
        ? []
        : [`${old}: autostart is not ${wished}`];
    return verb([...words, "--autostart", wished ? "on" : "off"], {}, { after });
  },
};

const resize: Move = {
  name: "instance resize",
  weight: 2,
  plan(scene, dice) {
    const one = scene.instance(dice);
    const flavor = dice.chance(40) ? dice.pick(Object.keys(scene.model.state.flavors ?? {}).sort()) : undefined;
    const size = flavor === undefined ? ["--vcpus", `${1 + dice.below(3)}`] : ["--flavor", flavor];
    return one === undefined ? null : verb(["instance", "resize", one[1], ...size], {});
  },
};

/** What is left of its adopted disks: files of others again, or a volume, where others still stand on the file. */
function frees(scene: Scene, instance: string, asGuest: boolean): (state: State) => void {
  const { model } = scene;
  const disks = model.volumesOf(instance).flatMap(([device, id]) => {
    const origin = model.origins.get(id);
    if (origin === undefined) return [];
    // An overlay of another tool that was taken in is his file now.
    const { file, format } = model.topForeign(id) ?? origin;
    return [{ device, id, file: { file, format, content: model.held(id) } }];
  });
  const name = model.instances.get(instance) ?? "";
  return ({ volumes }) => {
    const freed = disks.filter(({ id }) => !(id in volumes));
    if (asGuest) model.strangers.set(instance, { name, disks: new Map(freed.map((one) => [one.device, one.file])) });
    else for (const { file } of freed) model.files.set(file.file, file);
  };
}

const remove: Move = {
  name: "instance delete",
  weight: 4,
  plan(scene, dice) {
    const one = dice.chance(15) ? scene.shelved(dice) : scene.instance(dice);
    if (one === undefined) return null;
    const [id, name] = one;
    const { state } = scene.model;
    const keeps = dice.chance(20);
    const snapshots = Object.values(state.snapshots).filter(
      ({ type, instance }) => type === "instance" && instance === id,
    );
    const volumes = Object.values(state.volumes).filter(
      (volume) => volume.instance === id && volume.deleteWithInstance && !keeps && !scene.model.origins.has(volume.id),
    );
    const adopted = Object.values(state.volumes).filter(
      (volume) => volume.instance === id && scene.model.origins.has(volume.id),
    );
    const image = state.instances[id]?.shelved?.image;
    const words = ["instance", "delete", name, "-y", ...(keeps ? ["--keep-volumes"] : [])];
    const kept = [...snapshots.map((each) => each.id), ...(image ? [image] : [])];
    if (kept.some((each) => scene.model.said.isProtected(each))) return verb(words, {}, { mustRefuse: 5 });
    const schedules = Object.values(state.schedules ?? {}).filter((schedule) => schedule.instance === id);
    return verb(words, {
      removes: [id, ...kept, ...volumes.map((each) => each.id), ...schedules.map((each) => each.id)],
      mayRemove: adopted.map((each) => each.id),
      gone: keeps ? () => undefined : frees(scene, id, false),
    });
  },
};

const release: Move = {
  name: "instance release",
  weight: 2,
  plan(scene, dice) {
    const one = scene.instance(dice, (id) => scene.model.state.instances[id]?.origin === "adopted");
    if (one === undefined) return null;
    const volumes = scene.model.volumesOf(one[0]).map(([, id]) => id);
    return verb(["instance", "release", one[1]], { removes: [one[0], ...volumes], gone: frees(scene, one[0], true) });
  },
};

const adopt: Move = {
  name: "instance adopt",
  weight: 4,
  plan(scene, dice) {
    const one = dice.pick([...scene.model.strangers.values()]);
    return one === undefined ? null : verb(["instance", "adopt", one.name], { instance: one.name });
  },
};

const shelve: Move = {
  name: "shelve",
  weight: 4,
  plan(scene, dice) {
    const one = scene.instance(dice);
    if (one === undefined) return null;
    // Its image is called by the name that it has in libvirt.
    const to = dice.chance(40) ? ["--target", scene.ground.packed] : [];
    const packs = dice.chance(40) ? ["--offload", "-y", ...to] : [];
    const made = scene.model.contentsOf(one[0]);
    return verb(["shelve", one[1], "--timeout", "1s", ...packs], { adds: [{ kind: "image", name: null }], made });
  },
};

const unshelve: Move = {
  name: "unshelve",
  weight: 6,
  plan(scene, dice) {
    const one = scene.shelved(dice);
    if (one === undefined) return null;
    const image = scene.model.state.instances[one[0]]?.shelved?.image ?? "";
    return verb(["unshelve", one[1]], { removes: [image] });
  },
};

/** What a guest writes, running or by its next start. */
const write: Move = {
  name: "write",
  weight: 30,
  async plan(scene, dice) {
    const { model } = scene;
    const guests = [...model.instances, ...[...model.strangers].map(([id, { name }]): [string, string] => [id, name])]
      .filter(([id]) => model.state.instances[id]?.shelved == null)
      .sort(([, a], [, b]) => (a < b ? -1 : 1));
    const [id, name] = dice.pick(guests) ?? [];
    if (id === undefined) return null;
    const disk = dice.pick((await disksOfDomain(id)) ?? []);
    // One that stands still writes nothing, and QEMU ends where it is made to after its memory was saved.
    if (disk === undefined || (await liveState(id)) === "paused") return null;
    const volume = model.volumesOf(id).find(([device]) => device === disk.device)?.[1];
    const theirs = model.strangers.get(id)?.disks;
    const file = theirs?.get(disk.device) ?? model.files.get(disk.file);
    const before = volume === undefined ? file?.content : model.held(volume);
    if (before === undefined) return null;
    const writes = randomWrites(dice, before.length);
    const act = async () => {
      await writeAsGuest(id, disk, writes, scene.ground.folder);
      const content = written(before, writes);
      if (volume !== undefined) model.write(volume, content);
      else if (file !== undefined) (theirs ?? model.files).set(theirs ? disk.device : disk.file, { ...file, content });
      return [];
    };
    const what = writes.map(({ at, cells, byte }) => `${byte} at cell ${at} for ${cells}`).join(", ");
    return { act, text: `# ${name} writes to ${disk.device}: ${what}`, effect: {}, whole: true };
  },
};

export const instanceMoves: readonly Move[] = [
  create,
  ...powerMoves,
  rebuild,
  set,
  resize,
  remove,
  release,
  adopt,
  shelve,
  unshelve,
  write,
];
