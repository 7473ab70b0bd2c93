/** How a command can end otherwise than well: it is killed, or libvirt goes away under it. At every point in turn. */
import { expect } from "vitest";
import type { Action } from "../../../src/core/model/action.ts";
import { EstratoError } from "../../../src/errors.ts";
import { actionSpeaks } from "../../fake/libvirt-calls.ts";
import { Crash } from "../../fake/store.ts";
import { type Bed, type CrashPoint, command, copyOf, type How, type Process } from "./process.ts";

/**
 * A killed process does nothing more. One that loses libvirt goes on, and its undoing loses it too; by the next command
 * libvirt is back.
 */
export type Ending = "killed" | "without libvirt";

/** For `describe.each`. */
export const ENDINGS = [
  ["killed at every point", "killed"],
  ["with libvirt gone from any action on", "without libvirt"],
] as const satisfies readonly (readonly [string, Ending])[];

export interface End {
  readonly how: Pick<How, "crash" | "outage">;
  /** In words, for failures. */
  readonly point: string;
  /** An event of a step lies just beside a write or an action. */
  readonly isStep: boolean;
}

/** Something to be ended. */
export interface Work {
  prepare(): Promise<Bed>;
  run(world: Process): Promise<unknown>;
  /** What it must have done, so that no scenario passes for another. */
  readonly does?: readonly Action["do"][];
}

/** One end of it; each `strike` is on a bed of its own. */
interface Struck extends End {
  strike(): Promise<Bed>;
}

/** The bed before it, and all its ends. */
export async function everyEnd(ending: Ending, work: Work): Promise<{ readonly before: Bed; readonly ends: Struck[] }> {
  const before = await work.prepare();
  const whole = command(copyOf(before));
  await work.run(whole);
  expect(whole.host.performed.map((action) => action.do)).toEqual(expect.arrayContaining([...(work.does ?? [])]));
  const ends = endsOf(ending, whole);
  expect(ends.length).toBeGreaterThan(0);
  const struck = ends.map((end) => ({
    ...end,
    async strike() {
      const on = copyOf(before);
      await come(end, () => work.run(command(on, end.how)));
      return on;
    },
  }));
  return { before, ends: struck };
}

/**
 * Runs it to that end. A dead process throws Crash; one without libvirt says why it failed, or did not need it any
 * more.
 */
export async function come({ how }: Pick<End, "how">, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (how.crash !== undefined ? !(error instanceof Crash) : !(error instanceof EstratoError)) throw error;
  }
}

/** The ends that a command could have come to, which has gone well. */
export function endsOf(ending: Ending, whole: Process): End[] {
  if (ending === "killed") {
    return crashPoints(whole).map((crash) => ({
      how: { crash },
      point: `killed ${describePoint(whole, crash)}`,
      isStep: crash.at === "step",
    }));
  }
  return whole.host.performed.flatMap((action, index) => {
    // The list of who speaks to libvirt must not fall behind what people are shown.
    const isShown = whole.host.commandsFor(action).some(({ program }) => program === "virsh");
    if (isShown && !actionSpeaks(action)) throw new Error(`${action.do}: it is shown as virsh, and needs libvirt`);
    const phases = !actionSpeaks(action) ? (["before"] as const) : (["before", "midway", "after"] as const);
    return phases.map((phase) => ({
      how: { outage: { index, phase } },
      point: `without libvirt from ${phase} action ${index} ${JSON.stringify(action)}`,
      isStep: false,
    }));
  });
}

/** Where a command that has run to its end could have died. */
function crashPoints(whole: Process): CrashPoint[] {
  return [
    ...whole.store.writes.flatMap((_, index) =>
      (["before", "after"] as const).map((phase): CrashPoint => ({ at: "write", index, phase })),
    ),
    ...whole.host.performed.flatMap((_, index) =>
      (["before", "midway", "after"] as const).map((phase): CrashPoint => ({ at: "action", index, phase })),
    ),
    ...whole.steps.map((_, index): CrashPoint => ({ at: "step", index })),
  ];
}

function describePoint(whole: Process, point: CrashPoint): string {
  if (point.at === "step") return `at step event "${whole.steps[point.index]}"`;
  const what =
    point.at === "write" ? whole.store.writes[point.index] : JSON.stringify(whole.host.performed[point.index]);
  return `${point.phase} ${point.at} ${point.index} ${what}`;
}
