/**
 * `backup restore --instant`: the instance runs at once, and what it reads from the backup is pulled in under it. Said
 * again, it goes on with that.
 */
import { borrowedBackupsOf } from "../graph/borrowed.ts";
import { collect } from "../graph/collect.ts";
import type { CreateInstanceOptions } from "../instances/create.ts";
import { readFacts } from "../layers/holders.ts";
import { mergeSteps } from "../layers/merge-steps.ts";
import type { Instance } from "../model/state.ts";
import { recoverAll } from "../operations/recovery.ts";
import { type PlanView, planView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { backupsNamed, findBackup } from "./find.ts";
import { isBackupId } from "./parts.ts";
import { pullInstance } from "./pull.ts";
import { bootInstance, type RestoreFrom } from "./restore-to.ts";

/**
 * Makes an instance that boots from the backup, and pulls in what it reads there; with `wait` false it returns before
 * that. An instance of that name which was made so is not made anew. Throws what a restore and a pull throw; where a
 * pull fails the instance stays, and reads right.
 */
export async function restoreInstant(
  world: World,
  from: RestoreFrom,
  options: Omit<CreateInstanceOptions, "source" | "loan">,
  { wait }: { readonly wait: boolean },
): Promise<Pick<Instance, "id"> | PlanView> {
  // One whose creation never ended may be none.
  if (!world.dryRun) await recoverAll(world);
  const found = await findMade(world, from, options.name);
  const begun = options.as === undefined || found?.id === options.as.uuid ? found : null;
  if (begun !== null && world.dryRun) return planPull(world, begun);
  const made = begun ?? (await bootInstance(world, from, { ...options, start: true }));
  if ("steps" in made) return wait ? { ...made, steps: [...made.steps, PULL] } : made;
  const again = await sameAgain(world, made);
  if (again === null) {
    world.report.note(`${made.name} is there already, and all of the backup has been pulled in`);
    return made;
  }
  const begins = `${made.name} ${begun === null ? "runs, and" : "still"} reads from ${again.backup} what is not pulled in yet`;
  if (!wait) {
    world.report.note(`${begins}; pull it in: ${again.line}`);
    return made;
  }
  if (begun === null) world.report.note(begins);
  try {
    await pullInstance(world, made.id);
  } catch (error) {
    world.report.note(
      `${made.name} stays as it is, and reads from ${again.backup} what is not pulled in yet; go on: ${again.line}`,
    );
    throw error;
  }
  return made;
}

/** Which merges that takes the layers say once they are there. */
const PULL = { title: "Pull all of it in while it runs", commands: [] };

/** The instance of that name, where it was booted from that backup. */
async function findMade(world: World, { targets, backup }: RestoreFrom, name: string): Promise<Instance | null> {
  const state = await world.store.read();
  const instance = Object.values(state.instances).find((one) => one.name === name);
  const id = instance?.image ?? "";
  if (instance === undefined || !isBackupId(id)) return null;
  if (id === backup) return instance;
  // A name means the newest of that name: there may be another one by now.
  const named = borrowedBackupsOf(state, instance.id).length > 0 ? await findBackup(world, targets, id) : null;
  return named !== null && (await backupsNamed(world, [named], backup)).length > 0 ? instance : null;
}

/** How a person goes on with it; null where all is pulled in. */
async function sameAgain(
  world: World,
  { id, name }: Instance,
): Promise<{ readonly backup: string; readonly line: string } | null> {
  const state = await world.store.read();
  const loan = borrowedBackupsOf(state, id)[0]?.borrowed;
  if (loan === undefined) return null;
  const known = state.targets[loan.backup.target] !== undefined;
  const where = known ? "" : ` --target ${loan.backup.target}`;
  const line = `estrato backup restore ${loan.backup.id} --instance ${name} --instant${where}`;
  return { backup: loan.name, line };
}

async function planPull(world: World, { id }: Instance): Promise<PlanView> {
  const state = await world.store.read();
  const layers = borrowedBackupsOf(state, id).map((layer) => layer.id);
  const decisions = collect(state, await readFacts(world, state, layers)).filter((one) => layers.includes(one.layer));
  const steps = decisions.flatMap((one) =>
    one.kind === "merge" || one.kind === "free" ? mergeSteps(state, one, false) : [],
  );
  const notes = decisions.flatMap((one) =>
    one.kind === "defer" ? [`Not now: ${one.reason} (${one.by.join(", ")}).`] : [],
  );
  return planView(world, steps, notes);
}
