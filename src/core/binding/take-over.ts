/** `doctor --take-over`: binds a store anew, to this machine and this libvirt. */
import { EstratoError } from "../../errors.ts";
import { confirmed } from "../confirm.ts";
import type { Binding } from "../model/state.ts";
import type { PlanView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { isSame, ofLibvirt, ofMachine } from "./binding.ts";

/**
 * Asks, and binds the store of `world`, as it lies there, to `here`. Where it is another's, or nobody knows whose, the
 * question says what must be true. False where the answer was no; a dry run returns the plan. A state that is damaged
 * is left for who mends it to bind where `evenDamaged`; else "integrity".
 */
export async function takeOver(
  world: Pick<World, "store" | "report" | "dryRun">,
  here: Binding,
  evenDamaged: boolean,
): Promise<boolean | PlanView> {
  const { store, report } = world;
  const { home } = store.paths;
  const found = await store.binding();
  const target = `${ofLibvirt(here)} ${ofMachine(here)}`;
  if (found !== null && isSame(found, here)) {
    report.note(`${home}: is bound to ${target} already`);
    return true;
  }
  if (world.dryRun)
    return { steps: [{ title: `bind ${home} to ${target}`, commands: [] }], notes: [], freesBytes: null };
  const yes = await confirmed(world, {
    text: `Bind the store ${home} to ${target}? ${condition(found, here)}.`,
    loses: [
      found === null
        ? "what another host or libvirt still does with it"
        : `what ${ofLibvirt(found)} ${ofMachine(found)} still does with it`,
    ],
  });
  if (!yes) return false;
  try {
    await store.update((draft) => {
      draft.binding = { ...here };
    });
  } catch (error) {
    if (evenDamaged && error instanceof EstratoError && error.code === "integrity") return true;
    throw error;
  }
  report.note(`${home}: bound to ${target}`);
  return true;
}

/** What the yes stands for. */
function condition(found: Binding | null, here: Binding): string {
  if (found === null) return "No other machine and no other libvirt may use it any more";
  if (found.machine !== here.machine) return `It is used ${ofMachine(found)}, which must be off for good`;
  return `It is used with ${ofLibvirt(found)}, which must not be used with it any more`;
}
