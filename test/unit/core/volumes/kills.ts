/** Ends a command on volumes badly at every point, and looks at what the next command leaves. */
import { expect } from "vitest";
import { withLocks } from "../../../../src/core/operations/with-locks.ts";
import { type Ending, everyEnd } from "../ends.ts";
import { wrongs } from "../instances/world.ts";
import { type Bed, command, type Process, stateOf } from "../world.ts";
import { agreed, contentOf, witnesses } from "./world.ts";

const MEANWHILE = ["nothing", "the guest stops", "the guest stops and starts"] as const;

/** Ends `work` at every point, lets things happen, runs the next command, and looks. */
export async function endEverywhere(
  ending: Ending,
  prepare: () => Promise<Bed>,
  work: (world: Process) => Promise<unknown>,
  check: (estate: Bed, where: string) => Promise<void>,
): Promise<void> {
  for (const { point, strike } of (await everyEnd(ending, { prepare, run: work })).ends) {
    for (const meanwhile of MEANWHILE) {
      const estate = await strike();
      const { host } = command(estate);
      const runs = (await host.domainStatus("web1"))?.live != null;
      if (runs && meanwhile !== "nothing") await host.perform({ do: "destroy", domain: "web1" });
      if (runs && meanwhile === "the guest stops and starts")
        await host.perform({ do: "start", domain: "web1", paused: false }).catch(() => undefined);
      const where = `${point}; then ${meanwhile}`;
      await withLocks(command(estate), ["another"], async () => {});
      expect(await wrongs(estate), where).toEqual([]);
      expect(estate.disk.locks.size, where).toBe(0);
      for (const layer of Object.values((await stateOf(estate)).layers)) {
        expect(estate.machine.files.get(layer.file)?.mode, `${where}: mode of ${layer.id}`).toBe(
          layer.frozen ? 0o400 : 0o600,
        );
      }
      await check(estate, where);
    }
  }
}

/**
 * What libvirtd did not note while it died (a switch of disks) it learns from a stop and a start; all else must agree
 * at once.
 */
export const same = async (estate: Bed, where: string) => {
  expect(await contentOf(estate), where).toEqual({ 0: "written" });
  const lying = await witnesses(estate);
  if (lying.live === false && lying.open && lying.defined && lying.recorded) {
    expect(where).toContain("switch-disks");
    const { host } = command(estate);
    await host.perform({ do: "destroy", domain: "web1" });
    await host.perform({ do: "start", domain: "web1", paused: false });
  }
  const found = await witnesses(estate);
  expect(agreed(found), `${where}: ${JSON.stringify(found)}`).toBe(true);
};
