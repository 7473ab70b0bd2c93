/** What must hold of the store as a whole. */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { tryVirsh, virsh } from "../e2e/virsh.ts";
import { chainOf } from "./chain.ts";
import { setClock } from "./clock.ts";
import { disksOfDomain, redefine } from "./domains.ts";
import type { Scene } from "./scene.ts";
import { look } from "./seen.ts";

/** Of the state: what there are things of. */
const KEYS = [
  "layers",
  "volumes",
  "instances",
  "snapshots",
  "images",
  "bookmarks",
  "schedules",
  "keypairs",
  "flavors",
] as const;

const OWN = ["layers", "memory", "nvram", "seeds", "records"];

/** Doctor finds nothing. */
export async function doctorIsClean({ ground }: Scene): Promise<string[]> {
  const { code, stdout, stderr } = await ground.run(["doctor", "-f", "json"]);
  if (code === 0 && stdout.trim() === "[]") return [];
  return [`doctor: exit ${code}: ${stdout.trim().replaceAll(/\s+/g, " ")} ${stderr.trim()}`];
}

/** Repairs with a yes; then nothing may be left to say. */
export async function heal(scene: Scene): Promise<string[]> {
  scene.counts.heals += 1;
  const repair = () => scene.ground.run(["doctor", "--repair", "-y", "--lock-timeout", "60s"]);
  let { code, stdout, stderr } = await repair();
  if (await definedAgain(scene)) ({ code, stdout, stderr } = await repair());
  if (code !== 0) return [`doctor --repair -y: exit ${code}: ${stderr.trim()} ${stdout.trim()}`];
  scene.unsettled = null;
  return [...(await doctorIsClean(scene)), ...orphans(scene.ground.home)];
}

/** What no repair has defined again a person does, but what has been deleted since. */
async function definedAgain({ undefined: lost, ground }: Scene): Promise<boolean> {
  let any = false;
  const { instances } = look(ground).state;
  for (const [uuid, xml] of lost) {
    if (uuid in instances && (await disksOfDomain(uuid)) === null) {
      await redefine(ground.folder, xml);
      any = true;
    }
  }
  lost.clear();
  return any;
}

/** `usage` says what `du` says, and each file is somebody's. */
export async function accountsAgree({ ground, model }: Scene): Promise<string[]> {
  const { code, stdout, stderr } = await ground.run(["usage", "-f", "json"]);
  if (code !== 0) return [`usage: exit ${code}: ${stderr.trim()}`];
  const { kinds } = JSON.parse(stdout) as { kinds: { kind: string; allocated_bytes: number }[] };
  const said = kinds.find(({ kind }) => kind === "total")?.allocated_bytes;
  const hidden = ownFiles(ground.home).filter((file) => /^(?!.*\/records\/).*\/\.[^/]+$/.test(file));
  const files = new Set([...Object.values(model.state.layers).map(({ file }) => file), ...hidden]);
  const taken = [...files].reduce((sum, file) => sum + statSync(file).blocks * 512, 0);
  // Of a memory it says what QEMU wrote.
  const memories = Object.values(model.state.snapshots).reduce((sum, { memory }) => sum + (memory?.sizeBytes ?? 0), 0);
  const wrong = said === taken + memories ? [] : [`usage says ${said} bytes, and du ${taken} and ${memories}`];
  return [...wrong, ...orphans(ground.home)];
}

const ownFiles = (home: string): string[] => OWN.flatMap((folder) => filesIn(join(home, folder)));

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** Whoever repeats the command goes on with it; else it goes after a day. */
const DOWNLOAD = /\/\.[0-9a-f]{32}\.download(\.json|\.heads)?$/;

/**
 * Files in the store that are nobody's. A definition is named by its file, or, the newest of an instance, by its id. As
 * long as an entry lies aside that nobody can read, whatever it was about is kept.
 */
function orphans(home: string): string[] {
  if (filesIn(join(home, "journal", "damaged")).length > 0) return [];
  const state = readFileSync(join(home, "state.json"), "utf8");
  return ownFiles(home)
    .filter((file) => !state.includes(basename(file, ".xml")) && !DOWNLOAD.test(file))
    .map((file) => `${file}: nothing remembers it`);
}

/** Everything is deleted by its verb, and then nothing is left, in the store or in libvirt. */
export async function clearedByVerbs(scene: Scene): Promise<string[]> {
  const { ground, model } = scene;
  const wrong: string[] = [];
  const say = async (...words: string[]) => {
    const { code, stdout, stderr } = await ground.run([...words, "--lock-timeout", "60s"]);
    if (code !== 0) wrong.push(`estrato ${words.join(" ")}: exit ${code}: ${stderr.trim()} ${stdout.trim()}`);
  };
  setClock(0);
  // Guests of others on what estrato knows keep it: they go first, and with them what their files hold.
  const known = new Set(Object.values(model.state.layers).map(({ file }) => file));
  for (const [id, { disks }] of model.strangers) {
    if ([...disks.values()].some(({ file }) => chainOf(file).some((one) => known.has(one)))) model.strangers.delete(id);
    await tryVirsh("destroy", id);
    await virsh("undefine", id);
  }
  // What builds on an encrypted one is merged into it.
  const opened = ["--passphrase-file", ground.key];
  for (const { id, kind, target } of model.things.values()) {
    if (!model.said.isProtected(id)) continue;
    if (kind === "backup") await say("backup", "unprotect", id, "--target", target ?? "");
    else await say(kind, "set", id, "--unprotect");
  }
  for (const { id, target } of model.of("backup"))
    await say("backup", "delete", id, "--target", target ?? "", ...opened, "-y");
  for (const id of model.instances.keys()) await say("instance", "delete", id, "-y");
  let { state } = look(ground);
  for (const id of Object.keys(state.snapshots)) await say("snapshot", "delete", id);
  for (const id of Object.keys(state.images)) await say("image", "delete", id);
  ({ state } = look(ground));
  for (const id of Object.keys(state.volumes)) await say("volume", "delete", id, "-y");
  // Those of guests that were released.
  for (const id of Object.keys(state.schedules)) await say("schedule", "delete", id);
  for (const name of Object.keys(state.keypairs)) await say("keypair", "delete", name);
  for (const name of Object.keys(state.flavors)) await say("flavor", "delete", name);
  // What an entry names that nobody could read is kept until a person removes it.
  rmSync(join(ground.home, "journal", "damaged"), { recursive: true, force: true });
  await say("doctor", "--repair", "-y");
  // Overlays of other tools on what is ours keep it, until a person removes them; a folder in which then nothing is
  // looks like a disk that is not mounted.
  writeFileSync(join(ground.others, "not-empty"), "");
  for (const { file, foreign } of Object.values(look(ground).state.layers)) {
    if (foreign === null) continue;
    rmSync(file, { force: true });
    model.files.delete(file);
  }
  await say("doctor", "--repair", "-y");
  ({ state } = look(ground));
  for (const key of KEYS) {
    const left = Object.values(state[key]);
    if (left.length > 0) wrong.push(`at the end there are ${key}: ${JSON.stringify(left)}`);
  }
  for (const file of ownFiles(ground.home)) wrong.push(`at the end there is ${file}`);
  for (const name of filesIn(ground.packed)) wrong.push(`at the end there is ${name}`);
  const domains = await ground.domains();
  if (domains !== "") wrong.push(`at the end libvirt has ${domains}`);
  return wrong;
}
