/** Kills a command on volumes at every point, and looks at what the next command leaves. */
import { expect } from "vitest";
import { exclusive } from "../../../../src/core/exclusive.ts";
import type { World } from "../../../../src/core/ports.ts";
import { type CommandOptions, command, type Estate, stateOf, wrongs } from "../instances/world.ts";
import { agreed, contentOf, witnesses } from "./world.ts";

type Meanwhile = "nothing" | "the guest stops" | "the guest stops and starts";
const MEANWHILE: readonly Meanwhile[] = ["nothing", "the guest stops", "the guest stops and starts"];

/** Every way of dying that a run of `work` has. */
async function deaths(prepare: () => Promise<Estate>, work: (world: World) => Promise<unknown>) {
  const world = command(await prepare());
  let steps = 0;
  world.report.step = () => {
    steps += 1;
  };
  await work(world);
  const found: [string, CommandOptions][] = [];
  for (let index = 0; index < steps; index += 1) found.push([`at step event ${index}`, { crashAtStep: index }]);
  for (const [index, { do: kind }] of world.host.performed.entries()) {
    for (const phase of ["before", "midway", "after"] as const)
      found.push([`${phase} action ${index}, ${kind}`, { host: { index, phase } }]);
  }
  for (const [index, write] of world.store.writes.entries()) {
    for (const phase of ["before", "after"] as const)
      found.push([`${phase} write ${index}, ${write}`, { store: { index, phase } }]);
  }
  return found;
}

/** Kills `work` at every point, lets things happen, runs the next command, and looks. */
export async function killEverywhere(
  prepare: () => Promise<Estate>,
  work: (world: World) => Promise<unknown>,
  check: (estate: Estate, where: string) => Promise<void>,
): Promise<void> {
  for (const [point, options] of await deaths(prepare, work)) {
    for (const meanwhile of MEANWHILE) {
      const estate = await prepare();
      const world = command(estate, options);
      await work(world).catch(() => undefined);
      world.host.crash();
      world.store.crash();
      const { host } = command(estate);
      const runs = (await host.domainStatus("web1"))?.live != null;
      if (runs && meanwhile !== "nothing") await host.perform({ do: "destroy", domain: "web1" });
      if (runs && meanwhile === "the guest stops and starts")
        await host.perform({ do: "start", domain: "web1", paused: false }).catch(() => undefined);
      const where = `killed ${point}; then ${meanwhile}`;
      await exclusive(command(estate), ["another"], async () => {});
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

/** What libvirtd did not note while it died (a switch of disks) it learns from a stop and a start; all else must agree at once. */
export const same = async (estate: Estate, where: string) => {
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
