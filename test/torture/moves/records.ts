/** Key pairs, flavors and settings: what is nothing but what is said of it. */
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type Move, verb } from "../deed.ts";
import type { Dice } from "../dice.ts";
import { recordId, SETTINGS } from "../said.ts";
import type { Scene } from "../scene.ts";

const MOST_OF_A_KIND = 8;
const MIB = 1024 ** 2;

const names = ({ model }: Scene, kind: "keypairs" | "flavors"): string[] => Object.keys(model.state[kind] ?? {}).sort();

const createKeypair: Move = {
  name: "keypair create",
  weight: 1,
  plan(scene) {
    if (names(scene, "keypairs").length >= MOST_OF_A_KIND) return null;
    const name = scene.name("k");
    const file = scene.file(`${name}.key`);
    return verb(
      ["keypair", "create", name, "--private-key-file", file],
      { adds: [{ kind: "keypair", name }] },
      {
        async after() {
          const isWhole = readFileSync(file, "utf8").includes("END OPENSSH PRIVATE KEY");
          const mode = (statSync(file).mode & 0o777).toString(8);
          rmSync(file);
          return isWhole && mode === "600" ? [] : [`${file}: of mode ${mode}, ${isWhole ? "" : "not "}whole`];
        },
      },
    );
  },
};

const importKeypair: Move = {
  name: "keypair import",
  weight: 1,
  plan(scene, dice) {
    if (names(scene, "keypairs").length >= MOST_OF_A_KIND) return null;
    const name = scene.name("k");
    const file = scene.file("key.pub");
    const key = Buffer.alloc(51, dice.below(256));
    key.write("\0\0\0\x0bssh-ed25519\0\0\0\x20", "latin1");
    const publicKey = `ssh-ed25519 ${key.toString("base64")} walk`;
    writeFileSync(file, `${publicKey}\n`);
    return verb(["keypair", "import", name, "--file", file], {
      adds: [{ kind: "keypair", name, says: { publicKey } }],
    });
  },
};

const remove = (kind: "keypair" | "flavor"): Move => ({
  name: `${kind} delete`,
  weight: 1,
  plan(scene, dice) {
    const name = dice.pick(names(scene, `${kind}s`));
    return name === undefined ? null : verb([kind, "delete", name], { removes: [recordId(kind, name)] });
  },
});

const createFlavor: Move = {
  name: "flavor create",
  weight: 1,
  plan(scene, dice) {
    if (names(scene, "flavors").length >= MOST_OF_A_KIND) return null;
    const name = scene.name("f");
    const [vcpus, ram, disk] = [1 + dice.below(3), 64 + dice.below(64), 1 + dice.below(16)];
    const says = { vcpus, ramBytes: ram * MIB, diskBytes: disk * MIB };
    return verb(["flavor", "create", name, "--vcpus", `${vcpus}`, "--ram", `${ram}M`, "--disk", `${disk}M`], {
      adds: [{ kind: "flavor", name, says }],
    });
  },
};

/** None that a line of the walk leaves to it. */
function someSetting(dice: Dice): [key: string, value: string] {
  const [key, ...values] = dice.pick([
    ["rotation", "3", "5"],
    ["revert_keep", "12h", "2d"],
    ["color", "auto", "never"],
  ]) as [string, ...string[]];
  return [key, dice.pick(values) as string];
}

const setSetting: Move = {
  name: "config set",
  weight: 1,
  plan(_, dice) {
    const [key, value] = someSetting(dice);
    return verb(["config", "set", "--user", key, value], { says: new Map([[SETTINGS, { [key]: value }]]) });
  },
};

const unsetSetting: Move = {
  name: "config unset",
  weight: 1,
  plan(_, dice) {
    const [key] = someSetting(dice);
    return verb(["config", "unset", "--user", key], { says: new Map([[SETTINGS, { [key]: undefined }]]) });
  },
};

export const recordMoves: readonly Move[] = [
  createKeypair,
  importKeypair,
  remove("keypair"),
  createFlavor,
  remove("flavor"),
  setSetting,
  unsetSetting,
];
