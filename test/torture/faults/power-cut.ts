/** The power goes, in the middle of a line or when it has ended: what was not synced is lost, from some instant on. */
import { readFileSync, rmSync } from "node:fs";
import { sure } from "../../e2e/processes.ts";
import { tryVirsh, virsh } from "../../e2e/virsh.ts";
import type { Ground } from "../ground.ts";
import { Disk } from "../power/disk.ts";
import { play } from "../power/play.ts";
import { restore } from "../power/restore.ts";
import { callsIn, tracedBy } from "../power/trace.ts";
import { descendants, send } from "../tree.ts";
import { crashAt } from "./ends.ts";
import type { Blow, Fault } from "./fault.ts";

/** Where a trace and the copy lie: beside what is watched. */
const placesOf = ({ folder }: Ground) => ({ log: `${folder}.strace`, copy: `${folder}.before` });

export const powerCut: Fault = {
  name: "power cut",
  weight: 12,
  // What a running QEMU writes is not traced, nor are guests on a store that is not there yet.
  async strike({ ground, running, model }, dice, words): Promise<Blow | null> {
    if (running.size > 0 || model.things.size === 0) return null;
    const { log, copy } = placesOf(ground);
    rmSync(copy, { recursive: true, force: true });
    await sure("cp", "-a", ground.folder, copy);
    const at = dice.chance(50) ? crashAt(dice, words) : null;
    const afterMs = at === null && dice.chance(30) ? 300 + dice.below(1500) : null;
    const prefix = dice.below(3);
    const share = dice.below(100);
    const blow: { text: string } & Blow = {
      text: at ?? (afterMs === null ? "at its end" : `after ${afterMs} ms`),
      ending: {
        under: tracedBy(log),
        env: { UV_USE_IO_URING: "0", ...(at === null ? {} : { ESTRATO_TEST_CRASH: at }) },
        ...(afterMs === null ? {} : { meanwhile: { afterMs, act: killUnderTrace } }),
      },
      over: async () => {
        for (const name of (await virsh("list", "--name")).split("\n").filter((one) => one !== ""))
          await tryVirsh("destroy", name);
        const disk = new Disk(ground.folder, copy);
        play(disk, callsIn(readFileSync(log, "utf8")));
        const upTo = [0, disk.length, Math.floor((disk.length * share) / 100)][prefix] ?? 0;
        disk.cut(upTo);
        const lost = restore(disk, ground.folder);
        blow.text += `, ${lost.length} files lost something: ${lost.map((one) => one.slice(ground.folder.length + 1)).join(", ")}`;
        rmSync(copy, { recursive: true });
        rmSync(log);
        return [];
      },
      struck: () => true,
    };
    return blow;
  },
};

/** strace itself goes when those that it follows have gone. */
function killUnderTrace(pid: number): void {
  const all = descendants(pid);
  for (const one of all) send(one, "SIGSTOP");
  for (const one of all) send(one, "SIGKILL");
}
