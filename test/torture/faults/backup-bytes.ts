/** Bytes of a backup go bad: that must be said, and nothing may be made of them. */
import {
  chownSync,
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { difference, readContent } from "../content.ts";
import type { Dice } from "../dice.ts";
import type { Thing } from "../model.ts";
import type { Scene } from "../scene.ts";

const RESTORED = "of-damaged";

/** Damages one file, looks at what is said and done, and puts it back. Null: there is no backup. */
export async function damageBackup(
  scene: Scene,
  dice: Dice,
): Promise<{ readonly text: string; readonly wrong: string[] } | null> {
  const { ground, model } = scene;
  const one = scene.thing("backup", dice, ({ target }) => !model.away.has(target ?? ""));
  const folder = join(one?.target ?? "", one?.id ?? "");
  const name =
    one === undefined
      ? undefined
      : dice.pick(
          readdirSync(folder)
            .filter((file) => file.endsWith(".qcow2"))
            .sort(),
        );
  if (one === undefined || name === undefined) return null;
  const file = join(folder, name);
  const kept = join(ground.folder, "whole.qcow2");
  copyFileSync(file, kept);
  const places = flip(file, dice);
  const others = model.of("backup").filter(({ target }) => target === one.target);
  const damaged: Thing[] = [];
  for (const each of others) if (await readsOtherwise(scene, each)) damaged.push(each);
  const wrong = await said(scene, one.target ?? "", damaged);
  // Another file of that name, as a person puts it back.
  renameTo(kept, file);
  const again = await ground.run(["backup", "verify", "--all", "--target", one.target ?? ""]);
  if (again.code !== 0)
    wrong.push(`whole again, and backup verify: exit ${again.code}: ${again.stderr}${again.stdout}`);
  return { text: `${file}: other bytes at ${places.join(", ")}: ${damaged.length} backups read otherwise`, wrong };
}

function renameTo(kept: string, file: string): void {
  copyFileSync(kept, `${file}.copy`);
  const { uid, gid } = statSync(file);
  chownSync(`${file}.copy`, uid, gid);
  renameSync(`${file}.copy`, file);
}

/** Some bytes of it; where they lie. */
function flip(file: string, dice: Dice): number[] {
  const size = statSync(file).size;
  const to = openSync(file, "r+");
  try {
    return Array.from({ length: 1 + dice.below(8) }, () => {
      const at = dice.below(size);
      const byte = Buffer.alloc(1);
      readSync(to, byte, 0, 1, at);
      byte[0] = (byte[0] ?? 0) ^ (1 + dice.below(255));
      writeSync(to, byte, 0, 1, at);
      return at;
    });
  } finally {
    closeSync(to);
  }
}

async function readsOtherwise({ ground }: Scene, { id, target, disks }: Thing): Promise<boolean> {
  for (const [device, content] of disks) {
    const file = join(target ?? "", id, `${device}.qcow2`);
    const found = await readContent(file, "qcow2", join(ground.folder, "read.raw")).catch(() => null);
    if (found === null || difference(content, found) !== null) return true;
  }
  return false;
}

/** What may not be: that something that reads otherwise is called good, or that something is made of it. */
async function said({ ground }: Scene, target: string, damaged: readonly Thing[]): Promise<string[]> {
  if (damaged.length === 0) return [];
  const wrong: string[] = [];
  const [first] = damaged as [Thing];
  const words = ["backup", "restore", first.id, "--target", target, "--volume", RESTORED, "--disk"];
  for (const device of first.disks.keys()) {
    const restored = await ground.run([...words, device, "--passphrase-file", ground.key]);
    if (restored.code === 0) {
      // Of a backup of several disks another one may be the damaged one.
      const deleted = await ground.run(["volume", "delete", RESTORED, "-y"]);
      if (first.disks.size === 1) wrong.push(`${first.id} reads otherwise, and was restored (${deleted.code})`);
    } else if (![6, 9].includes(restored.code ?? -1))
      wrong.push(`restore of a damaged backup: exit ${restored.code}: ${restored.stderr}`);
  }
  const verified = await ground.run(["backup", "verify", "--all", "--target", target, "-f", "json"]);
  const listed = await ground.run(["backup", "list", "--target", target, "-f", "json"]);
  if (verified.code !== 9) wrong.push(`backup verify: exit ${verified.code}: ${verified.stderr}`);
  for (const { id } of damaged)
    for (const [verb, { stdout, stderr }] of Object.entries({ verify: verified, list: listed })) {
      const rows = JSON.parse(stdout || "[]") as { id: string; status: string }[];
      const status = rows.find((row) => row.id === id)?.status;
      if (status !== "damaged") wrong.push(`${id} reads otherwise, and backup ${verb} says ${status}: ${stderr}`);
    }
  return wrong;
}
