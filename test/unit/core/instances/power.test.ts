import { describe, expect, test } from "vitest";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { pauseInstance, resumeInstance } from "../../../../src/core/instances/pause.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { rebootInstance, stopInstance } from "../../../../src/core/instances/stop.ts";
import type { PlanView } from "../../../../src/core/operations/steps.ts";
import { command, creation, type Estate, kinds, newEstate, snapshotOf } from "./world.ts";

const STOP = { force: false, timeoutMs: 60_000, wait: true };

async function estateWith(state: "running" | "off" | "paused"): Promise<Estate> {
  const estate = newEstate();
  await createInstance(command(estate), creation({ start: state !== "off" }));
  if (state === "paused") await pauseInstance(command(estate), "web1");
  return estate;
}

const domainOf = (estate: Estate) => [...estate.machine.domains.values()][0];

describe("instance start", () => {
  test("starts what is off, and leaves alone what runs", async () => {
    const estate = await estateWith("off");
    await startInstance(command(estate), "web1");
    const again = command(estate);
    await startInstance(again, "web1");
    expect(domainOf(estate)?.state).toBe("running");
    expect(again.host.performed).toEqual([]);
  });

  test("refuses a paused one", async () => {
    const estate = await estateWith("paused");
    await expect(startInstance(command(estate), "web1")).rejects.toMatchObject({ code: "conflict" });
  });

  test("refuses a definition that names another file than the recorded head", async () => {
    const estate = await estateWith("off");
    const world = command(estate);
    const xml = domainOf(estate)?.inactive ?? "";
    const path = "/fake/estrato/layers/lay-debian12-vda.qcow2";
    await world.host.perform({
      do: "define",
      xml: world.host.editDefinition(xml, { disks: { vda: { path, format: "qcow2" } } }),
    });
    await expect(startInstance(command(estate), "web1")).rejects.toMatchObject({ code: "integrity" });
  });

  test("refuses a guest that estrato never touched, where it would write to a layer", async () => {
    const estate = await estateWith("off");
    const { host } = command(estate);
    const path = "/fake/estrato/layers/lay-debian12-vda.qcow2";
    host.addDomain({ name: "thief", running: false, disks: [{ device: "vda", path, format: "qcow2" }] });
    await expect(startInstance(command(estate), "thief")).rejects.toMatchObject({ code: "integrity" });
  });

  test("--dry-run changes nothing and shows the command", async () => {
    const estate = await estateWith("off");
    const before = snapshotOf(estate);
    const plan = (await startInstance(command(estate, { dryRun: true }), "web1")) as PlanView;
    expect(plan.steps.flatMap((step) => step.commands.map((one) => one.args.at(-2)))).toEqual(["start"]);
    expect(snapshotOf(estate)).toEqual(before);
  });
});

describe("instance stop", () => {
  test("shuts down what runs, and leaves alone what is off", async () => {
    const estate = await estateWith("running");
    await stopInstance(command(estate), "web1", STOP);
    const again = command(estate);
    await stopInstance(again, "web1", STOP);
    expect(domainOf(estate)).toMatchObject({ state: "shutoff", reason: "shutdown" });
    expect(again.host.performed).toEqual([]);
  });

  test("powers off what does not obey in time, and says so", async () => {
    const estate = await estateWith("running");
    const domain = domainOf(estate);
    if (domain) domain.obedient = false;
    const world = command(estate);
    await stopInstance(world, "web1", STOP);
    expect(domain).toMatchObject({ state: "shutoff", reason: "destroyed" });
    expect(world.notes).toEqual(["web1: did not shut down within 60 s and was powered off"]);
  });

  test("--no-wait only asks", async () => {
    const estate = await estateWith("running");
    const domain = domainOf(estate);
    if (domain) domain.obedient = false;
    const world = command(estate);
    await stopInstance(world, "web1", { ...STOP, wait: false });
    expect(kinds(world.host.performed)).toEqual(["shutdown"]);
    expect(domain?.state).toBe("running");
  });

  test("--force powers off at once, a paused one too", async () => {
    const estate = await estateWith("paused");
    await expect(stopInstance(command(estate), "web1", STOP)).rejects.toMatchObject({ code: "conflict" });
    const world = command(estate);
    await stopInstance(world, "web1", { ...STOP, force: true });
    expect(kinds(world.host.performed)).toEqual(["destroy"]);
  });

  test("works where an operation on the instance cannot be recovered, which start does not", async () => {
    const estate = await estateWith("running");
    const id = [...estate.machine.domains.keys()][0] ?? "";
    const { store } = command(estate);
    const entry = {
      id: "op-00000000000000099",
      kind: "of.another.version",
      locks: [id],
      createdAt: "2025",
      command: "estrato x",
      data: {},
    };
    await store.journal.open({ target: "web1", ...entry } as never);
    await expect(startInstance(command(estate), "web1")).rejects.toMatchObject({ code: "integrity" });
    await stopInstance(command(estate), "web1", STOP);
    expect(domainOf(estate)?.state).toBe("shutoff");
  });
});

describe("instance reboot", () => {
  test("reboots what runs; with --hard it resets, and starts what is off", async () => {
    const estate = await estateWith("running");
    const soft = command(estate);
    await rebootInstance(soft, "web1", { hard: false });
    expect(soft.host.performed).toEqual([expect.objectContaining({ do: "reboot", hard: false })]);
    await stopInstance(command(estate), "web1", STOP);
    await expect(rebootInstance(command(estate), "web1", { hard: false })).rejects.toMatchObject({ code: "conflict" });
    await rebootInstance(command(estate), "web1", { hard: true });
    expect(domainOf(estate)?.state).toBe("running");
  });
});

describe("instance pause and resume", () => {
  test("do once what they say, and are content where it is so", async () => {
    const estate = await estateWith("running");
    await pauseInstance(command(estate), "web1");
    const again = command(estate);
    await pauseInstance(again, "web1");
    expect(again.host.performed).toEqual([]);
    await resumeInstance(command(estate), "web1");
    const running = command(estate);
    await resumeInstance(running, "web1");
    expect(running.host.performed).toEqual([]);
  });

  test("refuse what is off", async () => {
    const estate = await estateWith("off");
    await expect(pauseInstance(command(estate), "web1")).rejects.toMatchObject({ code: "conflict" });
    await expect(resumeInstance(command(estate), "web1")).rejects.toMatchObject({ code: "conflict" });
  });
});

test("what another command holds is a conflict", async () => {
  const estate = await estateWith("running");
  const id = [...estate.machine.domains.keys()][0] ?? "";
  await command(estate).store.lock([id], 0);
  await expect(pauseInstance(command(estate), "web1")).rejects.toMatchObject({ code: "conflict" });
});
