/** The walk: a step, a look at everything, the next step. */
import { renameSync } from "node:fs";
import { BORROWER, BorrowersGround } from "./borrower.ts";
import type { Deed } from "./deed.ts";
import { type Dice, diceOf } from "./dice.ts";
import { liveState } from "./domains.ts";
import { keepState } from "./faults/memory.ts";
import { layFault } from "./faults/table.ts";
import { Ground } from "./ground.ts";
import { borrowersDeed } from "./moves/borrowed.ts";
import { Scene } from "./scene.ts";
import { hasStore } from "./seen.ts";
import { accountsAgree, clearedByVerbs, doctorIsClean } from "./soundness.ts";
import { damaged, isRefusal, lastLine, learnt, mended, struck } from "./struck.ts";
import { firstMove, others, verbs } from "./table.ts";

export interface Wish {
  readonly seed: number;
  readonly steps: number;
  /** These alone; all, if not said. */
  readonly only?: ReadonlySet<number>;
  /** Date.now() at which no further step begins. */
  readonly until?: number;
  readonly otherPercent: number;
  readonly faultPercent: number;
  /** What strikes, by name; all faults, and damage to what is remembered, if not said. */
  readonly strikes?: ReadonlySet<string>;
  readonly say?: (line: string) => void;
}

export interface Walked {
  readonly scene: Scene;
  /** What is wrong after the last step; nothing: all held. */
  readonly wrong: readonly string[];
}

/** Everything is read again, and the accounts compared, after so many steps. */
const ALL_EVERY = 25;
const DOCTOR_EVERY = 3;
const BORROWERS_PERCENT = 12;
/** Of his processes the walk knows the ends alone. */
const HIS_STRIKES = new Set(["killed at a step"]);

export async function walk(scratch: string, wish: Wish): Promise<Walked> {
  const ground = await Ground.lay(scratch);
  const scene = new Scene(ground, wish.say);
  const borrows = await BorrowersGround.of(ground.home);
  scene.borrower = new Scene(borrows, (line) => scene.tell(`${BORROWER}: ${line.replace(/^\d+: /, "")}`));
  try {
    return { scene, wrong: await steps(scene, wish) };
  } finally {
    await borrows.clear();
    await ground.clear();
  }
}

async function steps(scene: Scene, wish: Wish): Promise<string[]> {
  const begin = await firstMove.plan(scene, diceOf(wish.seed, -1));
  if (begin !== null) await said(scene, { ...wish, faultPercent: 0 }, begin, diceOf(wish.seed, -1));
  for (let step = 0; step < wish.steps; step += 1) {
    if (wish.only !== undefined && !wish.only.has(step)) continue;
    if (wish.until !== undefined && performance.timeOrigin + performance.now() > wish.until) break;
    scene.step = step;
    if (scene.isOver) break;
    const wrong = await oneStep(scene, wish, diceOf(wish.seed, step)).catch((error: Error) => [
      `the walk: ${error.stack}`,
    ]);
    if (wrong.length > 0) return wrong;
  }
  if (scene.isOver) return compared(scene, true);
  if (scene.unsettled !== null) {
    const wrong = await mended(scene);
    if (wrong.length > 0) return wrong;
  }
  for (const target of [...scene.model.away]) await comeBack(scene, target);
  const wrong = await compared(scene, true);
  if (scene.borrower !== null && hasStore(scene.borrower.ground))
    wrong.push(...(await doctorIsClean(scene.borrower)), ...(await clearedByVerbs(scene.borrower)));
  wrong.push(...(await clearedByVerbs(scene)));
  // What is not ours stays, whatever was deleted.
  return [...wrong, ...(await strangersRead(scene))];
}

async function oneStep(scene: Scene, wish: Wish, dice: Dice): Promise<string[]> {
  const { model, counts } = scene;
  scene.running.clear();
  for (const id of [...model.instances.keys(), ...model.strangers.keys()])
    if ((await liveState(id)) !== null) scene.running.add(id);
  for (const id of scene.asked) if (!scene.running.has(id)) scene.asked.delete(id);
  if (wish.strikes === undefined && model.things.size > 0 && dice.chance(wish.faultPercent / 8))
    return damaged(scene, dice);
  if (dice.chance(BORROWERS_PERCENT)) {
    const wrong = await borrowersStep(scene, wish, dice);
    if (wrong !== null) return wrong.length > 0 ? wrong : compared(scene, false);
  }
  const deed = await planned(scene, wish, dice);
  if (deed === null) return [];
  counts.steps += 1;
  const wrong = deed.act === undefined ? await said(scene, wish, deed, dice) : await acted(scene, deed);
  if (wrong.length > 0) return wrong;
  if (scene.unsettled !== null && (scene.unsettled >= 3 || dice.chance(40))) wrong.push(...(await mended(scene)));
  else if (scene.unsettled !== null) scene.unsettled += 1;
  wrong.push(...(await compared(scene, counts.steps % ALL_EVERY === 0)));
  if (wrong.length > 0 || scene.unsettled !== null || scene.isOver) return wrong;
  if (counts.steps % DOCTOR_EVERY === 0) wrong.push(...(await doctorIsClean(scene)));
  if (counts.steps % ALL_EVERY === 0) wrong.push(...(await accountsAgree(scene)));
  if (dice.chance(5)) keepState(scene.ground);
  return wrong;
}

/** A step of who borrows. Null: he has nothing to do. */
async function borrowersStep(scene: Scene, wish: Wish, dice: Dice): Promise<string[] | null> {
  const { borrower } = scene;
  if (borrower === null) return null;
  borrower.step = scene.step;
  const faultPercent = wish.strikes === undefined ? wish.faultPercent : 0;
  if (borrower.model.things.size > 0 && dice.chance(faultPercent / 8)) return damaged(borrower, dice);
  const deed = await borrowersDeed(scene, borrower, dice);
  if (deed === null) return null;
  borrower.counts.steps += 1;
  const wished = { ...wish, faultPercent, strikes: HIS_STRIKES };
  const wrong = deed.act === undefined ? await said(borrower, wished, deed, dice) : await acted(borrower, deed);
  scene.isOver ||= borrower.isOver;
  return wrong;
}

async function planned(scene: Scene, wish: Wish, dice: Dice): Promise<Deed | null> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const move = dice.weighed(dice.chance(wish.otherPercent) && scene.model.things.size > 0 ? others : verbs);
    const deed = await move.plan(scene, dice);
    if (deed === null) continue;
    // By their names a test knows that no verb is forgotten.
    if (deed.words !== undefined && verbs.includes(move) && !`${deed.words.join(" ")} `.startsWith(`${move.name} `))
      throw new Error(`the move ${move.name} says ${deed.text}`);
    scene.moves.set(move.name, (scene.moves.get(move.name) ?? 0) + 1);
    return deed;
  }
  return null;
}

async function acted(scene: Scene, deed: Deed): Promise<string[]> {
  scene.tell(deed.text);
  const wrong = [...((await deed.act?.()) ?? [])];
  if (!deed.text.startsWith("#")) scene.counts.others += 1;
  if (deed.unsettles) scene.unsettled ??= 0;
  return wrong;
}

/** A line of estrato, whole or struck. */
async function said(scene: Scene, wish: Wish, deed: Deed, dice: Dice): Promise<string[]> {
  const words = deed.words ?? [];
  if (!deed.whole && dice.chance(wish.faultPercent)) {
    const laid = await layFault(scene, dice, words, wish.strikes);
    if (laid !== null) return struck(scene, deed, dice, laid);
  }
  const { ground, counts } = scene;
  const ran = await ground.run(words);
  scene.tell(`${deed.text} → ${ran.code}${ran.code === 0 ? "" : ` ${lastLine(ran.stderr)}`}`);
  if (ran.code === 0) counts.done += 1;
  else counts.refused += 1;
  if (deed.mustRefuse && ran.code === 0) return [`it was not refused: ${deed.text}`];
  if (deed.mustRefuse === 5 && scene.unsettled === null && ran.code !== 5)
    return [`exit ${ran.code}, not 5: ${ran.stderr}`];
  if (ran.code !== 0 && !isRefusal(words, ran.code)) return [`exit ${ran.code}: ${ran.stderr}`];
  if (ran.code === 9 && scene.unsettled === null) return [`exit 9, where all agreed: ${ran.stderr}`];
  const outcome = ran.code === 0 ? "done" : "refused";
  const wrong = learnt(scene, deed, outcome);
  return wrong.length > 0 || outcome !== "done" || deed.after === undefined ? wrong : deed.after();
}

/** What is there of the scene, and of who borrows from it. */
async function compared({ comparer, model, borrower }: Scene, all: boolean): Promise<string[]> {
  const wrong = await comparer.compare(model, all);
  return borrower === null ? wrong : [...wrong, ...(await compared(borrower, all))];
}

async function comeBack({ ground, model }: Scene, target: string): Promise<void> {
  if (ground.targets.includes(target)) renameSync(`${target}.away`, target);
  model.away.delete(target);
}

async function strangersRead(scene: Scene): Promise<string[]> {
  for (const kind of ["volume", "snapshot", "image", "backup"] as const)
    for (const { id } of scene.model.of(kind)) scene.model.things.delete(id);
  return scene.comparer.compare(scene.model, true);
}
