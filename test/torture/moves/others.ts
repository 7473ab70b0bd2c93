/** What other tools do to the same guests and the same store. */
import { renameSync } from "node:fs";
import { sure } from "../../e2e/processes.ts";
import { tryVirsh, virsh } from "../../e2e/virsh.ts";
import { clockOffset, setClock } from "../clock.ts";
import { type Move, other, verb } from "../deed.ts";
import { disksOfDomain, redefine } from "../domains.ts";
import { isEncrypted } from "../luks.ts";
import { makeFile } from "./strangers.ts";

const DAY_MS = 86_400_000;

const overlay: Move = {
  name: "overlay",
  weight: 8,
  async plan(scene, dice) {
    const one = scene.defined(dice);
    if (one === undefined) return null;
    const [id, name] = one;
    const disks = (await disksOfDomain(id)) ?? [];
    // Other tools would make plain overlays of encrypted disks: a refusal of its own.
    if (disks.length === 0 || disks.some(({ file }) => isEncrypted(file))) return null;
    const overlayName = scene.name("o");
    if (scene.running.has(id))
      return other(
        `virsh snapshot-create-as ${name} ${overlayName} --disk-only --atomic --no-metadata`,
        () => virsh("snapshot-create-as", id, overlayName, "--disk-only", "--atomic", "--no-metadata"),
        true,
      );
    const disk = dice.pick(disks);
    if (disk === undefined) return null;
    const file = scene.file(`${overlayName}.qcow2`);
    return other(
      `qemu-img create -b ${name}/${disk.device} ${overlayName}.qcow2; virsh define ${name} with it`,
      async () => {
        await sure("qemu-img", "create", "-q", "-f", "qcow2", "-b", disk.file, "-F", disk.format, file);
        const xml = await virsh("dumpxml", id, "--inactive");
        // What is in the definition of the chain below is not that of the overlay.
        await redefine(scene.ground.folder, withSource(xml, disk.file, file));
      },
      true,
    );
  },
};

function withSource(xml: string, before: string, after: string): string {
  return xml.replace(/<disk [\s\S]*?<\/disk>/g, (disk) =>
    !disk.includes(`<source file='${before}'`)
      ? disk
      : disk
          .replace(/<backingStore[\s\S]*<\/backingStore>|<backingStore\/>/, "")
          .replace(before, after)
          .replace(/type='raw'/, "type='qcow2'"),
  );
}

const undefine: Move = {
  name: "virsh undefine",
  weight: 3,
  plan(scene, dice) {
    const one = scene.defined(dice, (id) => !scene.running.has(id));
    if (one === undefined) return null;
    const act = async () => {
      scene.undefined.set(one[0], await virsh("dumpxml", one[0], "--inactive"));
      await virsh("undefine", one[0]);
    };
    return other(`virsh undefine ${one[1]}`, act, true);
  },
};

const rename: Move = {
  name: "virsh domrename",
  weight: 3,
  plan(scene, dice) {
    const one = scene.defined(dice, (id) => !scene.running.has(id));
    const name = scene.name("n");
    return one === undefined
      ? null
      : other(`virsh domrename ${one[1]} ${name}`, () => virsh("domrename", one[0], name), true);
  },
};

const edit: Move = {
  name: "virsh edit",
  weight: 3,
  plan(scene, dice) {
    const one = scene.defined(dice, (id) => !scene.running.has(id));
    const text = `edited ${scene.step}`;
    return one === undefined
      ? null
      : other(`virsh desc ${one[1]} --config '${text}'`, () => virsh("desc", one[0], "--config", text));
  },
};

const detach: Move = {
  name: "virsh detach-disk",
  weight: 3,
  async plan(scene, dice) {
    const one = scene.defined(dice, (id) => !scene.running.has(id));
    const disk = dice.pick(((await disksOfDomain(one?.[0] ?? "")) ?? []).filter(({ device }) => device !== "vda"));
    if (one === undefined || disk === undefined) return null;
    return other(
      `virsh detach-disk ${one[1]} ${disk.device} --config`,
      () => virsh("detach-disk", one[0], disk.device, "--config"),
      true,
    );
  },
};

const attach: Move = {
  name: "virsh attach-disk",
  weight: 2,
  async plan(scene, dice) {
    const one = scene.defined(dice, (id) => !scene.running.has(id));
    const used = ((await disksOfDomain(one?.[0] ?? "")) ?? []).map(({ device }) => device);
    const device = ["vdb", "vdc", "vdd", "vde"].find((name) => !used.includes(name));
    if (one === undefined || device === undefined) return null;
    const name = scene.name("a");
    return other(
      `virsh attach-disk ${one[1]} ${name} ${device} --config`,
      async () => {
        const file = await makeFile(scene, dice, name);
        await virsh("attach-disk", one[0], file.file, device, "--config", "--subdriver", file.format);
        scene.model.files.set(file.file, file);
      },
      true,
    );
  },
};

const power: Move = {
  name: "virsh start or destroy",
  weight: 3,
  plan(scene, dice) {
    const one = scene.defined(dice, (id) => scene.running.has(id) || scene.running.size < 2);
    if (one === undefined) return null;
    const how = scene.running.has(one[0]) ? "destroy" : "start";
    // What QEMU serves itself leads nowhere then, as doctor says.
    const loses = how === "start" && scene.model.state.instances[one[0]]?.userNetwork !== undefined;
    // libvirt refuses what a freed or frozen file does not allow.
    return other(`virsh ${how} ${one[1]}`, () => tryVirsh(how, one[0]), loses);
  },
};

const secondStore: Move = {
  name: "a second store",
  weight: 2,
  plan(scene, dice) {
    const one = scene.defined(dice);
    if (one === undefined) return null;
    const store = `${scene.ground.folder}/second`;
    return verb(["--store", store, "snapshot", "create", one[1], "x"], {}, { mustRefuse: true, whole: true });
  },
};

const otherUri: Move = {
  name: "another URI",
  weight: 2,
  plan(scene, dice) {
    const one = scene.defined(dice);
    if (one === undefined) return null;
    const words = dice.chance(50) ? ["instance", "delete", one[1], "-y"] : ["doctor", "--repair", "-y"];
    return verb(["--connect", "test:///default", ...words], {}, { mustRefuse: true, whole: true });
  },
};

const clock: Move = {
  name: "the clock jumps",
  weight: 2,
  plan(scene, dice) {
    const to = clockOffset() !== 0 && dice.chance(60) ? 0 : (dice.below(80) - 40) * DAY_MS;
    return other(`date -s '${to / DAY_MS} days'`, async () => {
      scene.model.jumped = true;
      setClock(to);
    });
  },
};

const target: Move = {
  name: "a target comes and goes",
  weight: 4,
  plan(scene, dice) {
    const { away } = scene.model;
    const [first] = scene.ground.targets;
    const path = [...away][0] ?? first;
    if (away.has(path))
      return other(`mv ${path}.away ${path}`, async () => {
        renameSync(`${path}.away`, path);
        away.delete(path);
      });
    // Doctor misses one that a schedule needs.
    const isNeeded = Object.values(scene.model.state.schedules ?? {}).some(
      ({ task }) => task.kind === "backup" && task.target === path,
    );
    return dice.chance(50) && !isNeeded
      ? other(`mv ${path} ${path}.away`, async () => {
          renameSync(path, `${path}.away`);
          away.add(path);
        })
      : null;
  },
};

export const othersMoves: readonly Move[] = [
  overlay,
  undefine,
  rename,
  edit,
  detach,
  attach,
  power,
  secondStore,
  otherUri,
  clock,
  target,
];
