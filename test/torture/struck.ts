/** A line that is struck, and what is remembered that is damaged; then all is mended, and looked at. */
import type { Deed } from "./deed.ts";
import type { Dice } from "./dice.ts";
import type { Outcome } from "./effect.ts";
import { damageBackup } from "./faults/backup-bytes.ts";
import { damageJournal, damageState, pickDamage } from "./faults/memory.ts";
import type { layFault } from "./faults/table.ts";
import type { Scene } from "./scene.ts";
import { look } from "./seen.ts";
import { heal } from "./soundness.ts";

/** The codes by which a verb says no. */
const REFUSALS = [2, 4, 5, 6, 8, 9];
/** All that a verb may end with. */
const CODES = [0, 1, 3, 7, ...REFUSALS];

/** A guest without a system lets go of no disk (7), and one without a free slot takes none (1). */
const OF_GUESTS: Readonly<Record<string, number>> = { "volume detach": 7, "volume attach": 1 };

export const isRefusal = (words: readonly string[], code: number | null): boolean =>
  REFUSALS.includes(code ?? -1) || (code !== null && code === OF_GUESTS[words.slice(0, 2).join(" ")]);

/** What was reported done is there as a whole, whatever struck meanwhile; else it may be there or not. */
export async function struck(
  scene: Scene,
  deed: Deed,
  dice: Dice,
  { name, blow }: NonNullable<Awaited<ReturnType<typeof layFault>>>,
): Promise<string[]> {
  const { ground } = scene;
  const words = deed.words ?? [];
  const ran = await (blow.ending === undefined ? ground.run(words) : ground.ended(words, blow.ending));
  const wrong = [...((await blow.over?.(ran)) ?? [])];
  await ground.libvirtd("start");
  const done = ran.code === 0;
  scene.tell(`[${name} ${blow.text ?? ""}] ${deed.text} → ${ran.signal ?? ran.code} ${lastLine(ran.stderr)}`);
  if (blow.struck?.() ?? !done) struckBy(scene, name);
  if (ran.signal === null && !CODES.includes(ran.code ?? -1)) wrong.push(`exit ${ran.code}: ${ran.stderr}`);
  if (/fault in estrato/.test(ran.stderr)) wrong.push(ran.stderr);
  if (done && deed.mustRefuse) wrong.push(`it was not refused: ${deed.text}`);
  const cut = ran.signal !== null && dice.chance(8) && damageJournal(ground, dice);
  if (cut) {
    scene.tell("[journal truncated]");
    struckBy(scene, "journal truncated");
  }
  const left = await heal(scene);
  if (cut && /needs a person/.test(left[0] ?? "")) {
    // What nobody reported done is half made, and nothing tells how far it came: the walk ends with a look at the rest.
    scene.counts.persons += 1;
    scene.isOver = true;
  } else wrong.push(...left);
  if (wrong.length > 0) return wrong;
  const { things } = scene.model;
  const known = new Set(things.keys());
  wrong.push(...learnt(scene, deed, done ? "done" : "unknown"));
  if (scene.isOver) for (const id of things.keys()) if (!known.has(id)) things.delete(id);
  if (!done) await scene.comparer.settle(scene.model, deed.effect.writes ?? new Map());
  return wrong.length > 0 || !done || deed.after === undefined || deed.isOfPower ? wrong : deed.after();
}

export async function damaged(scene: Scene, dice: Dice): Promise<string[]> {
  if (scene.unsettled === null && dice.chance(30)) {
    const done = await damageBackup(scene, dice);
    if (done !== null) {
      scene.counts.steps += 1;
      struckBy(scene, "backup damaged");
      scene.tell(`[backup damaged] ${done.text}`);
      return done.wrong;
    }
  }
  const damage = pickDamage(dice);
  if (scene.unsettled !== null) {
    const wrong = await mended(scene);
    if (wrong.length > 0) return wrong;
  }
  if (!damageState(scene.ground, damage, dice)) return [];
  scene.counts.steps += 1;
  struckBy(scene, `state ${damage}`);
  scene.tell(`[state.json ${damage}]`);
  const wrong = await mended(scene);
  return wrong.length > 0 ? wrong : scene.comparer.compare(scene.model, false);
}

export async function mended(scene: Scene): Promise<string[]> {
  const wrong = await heal(scene);
  return wrong.length > 0 ? wrong : scene.model.learn({}, "refused", look(scene.ground));
}

function struckBy({ counts, faults }: Scene, name: string): void {
  counts.struck += 1;
  faults.set(name, (faults.get(name) ?? 0) + 1);
}

/** A kill, or one that failed in the middle, may have done what it was to do; its disks hold the old or the new. */
export function learnt(scene: Scene, deed: Deed, outcome: Outcome): string[] {
  return scene.model.learn(deed.effect, outcome, look(scene.ground));
}

export const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";
