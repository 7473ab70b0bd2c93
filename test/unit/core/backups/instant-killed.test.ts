/**
 * Kills of `backup restore --instant` at every point, with the guest doing this and that, and then the same command
 * again, another one or a repair.
 */
import { describe, expect, test } from "vitest";
import { restoreInstant } from "../../../../src/core/backups/instant.ts";
import { repair } from "../../../../src/core/doctor/doctor.ts";
import { borrowedBackupsOf } from "../../../../src/core/graph/borrowed.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { collect } from "../../../../src/core/layers/collect.ts";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import type { Content } from "../../../fake/host.ts";
import { MEANWHILE, type Meanwhile, requireSound } from "../crashes.ts";
import { come, ENDINGS, type End, endsOf } from "../ends.ts";
import { type Bed, backupsOf, command, contentsOf, copyOf, type How, stateOf, virsh } from "../world.ts";
import { chainOfTwo, disksOfRestored, from, marks, pulled, restoredUuid, wanted, writeTo } from "./instant-world.ts";

const NEXT = ["the same again", "another command", "a repair"] as const;

const run = (on: Bed, how: How = {}) => restoreInstant(command(on, how), from(on), wanted("web2"), { wait: true });

interface Scene {
  readonly on: Bed;
  readonly where: string;
  readonly backups: ReadonlyMap<string, Record<string, Content>>;
  /** What the instance must hold, where there is one. */
  held: Record<string, Content>;
}

async function contents(on: Bed): Promise<Map<string, Record<string, Content>>> {
  const found = new Map<string, Record<string, Content>>();
  for (const id of backupsOf(on)) found.set(id, await contentsOf(on, id));
  return found;
}

/** What the guest does before the next command. */
async function happen(scene: Scene, meanwhile: Meanwhile): Promise<void> {
  const { on, where } = scene;
  const uuid = await restoredUuid(on);
  const domain = on.machine.domains.get(uuid ?? "");
  if (uuid === null || domain === undefined) return;
  const write = async (word: string) => {
    if (domain.state !== "running") return;
    await writeTo(on, 9, word);
    scene.held = { ...scene.held, vda: { ...scene.held.vda, 9: word } };
  };
  if (meanwhile.startsWith("writes")) await write("after the crash");
  if (meanwhile === "job ends") for (const job of domain.jobs) job.finish();
  if (meanwhile === "job ends") domain.jobs = [];
  if (meanwhile === "QEMU dies") for (const job of domain.jobs) job.lose();
  if (domain.state === "running") {
    if (meanwhile.endsWith("stops") || meanwhile === "QEMU dies" || meanwhile === "restarts")
      await virsh(on, { do: "destroy", domain: uuid });
    if (meanwhile === "restarts") {
      await virsh(on, { do: "start", domain: uuid, paused: false });
      await write("after the restart");
    }
  }
  expect(meanwhile === "QEMU dies" ? scene.held : await disksOfRestored(on), where).toEqual(scene.held);
}

/** The backups are what they were, and whoever reads from them is known there. */
async function requireKept({ on, where, backups, held }: Scene): Promise<void> {
  expect(await contents(on), where).toEqual(backups);
  const uuid = await restoredUuid(on);
  const loans = uuid === null ? [] : borrowedBackupsOf(await stateOf(on), uuid);
  expect(marks(on).sort(), where).toEqual(loans.map(({ borrowed }) => borrowed.marker).sort());
  if (uuid !== null) expect(await disksOfRestored(on), where).toEqual(held);
}

async function endOnce(prepared: Bed, end: End, meanwhile: Meanwhile, next: (typeof NEXT)[number]): Promise<boolean> {
  const on = copyOf(prepared);
  const where = `${end.point}; then: ${meanwhile}; next: ${next}`;
  const backups = await contents(on);
  const scene: Scene = { on, where, backups, held: backups.get(from(on).backup) ?? {} };
  await come(end, () => run(on, end.how));
  // Without a guest nothing of it happens.
  if (meanwhile !== "nothing" && !on.machine.domains.has((await restoredUuid(on)) ?? "")) return false;
  await happen(scene, meanwhile);
  const world = command(on);
  if (next === "a repair") await repair(world);
  if (next === "another command") {
    await recoverAll(world);
    await collect(world);
  }
  if (next !== "the same again") {
    await requireSound(on, where, world.notes);
    await requireKept(scene);
    const uuid = await restoredUuid(on);
    if (uuid !== null) {
      await startInstance(command(on), uuid);
      await writeTo(on, 10, "alive");
      scene.held = { ...scene.held, vda: { ...scene.held.vda, 10: "alive" } };
      await requireKept(scene);
    }
    if (uuid !== null && next === "a repair") expect(await pulled(on), where).toBe(true);
    if (uuid !== null && (await pulled(on))) return true;
  }
  await run(on);
  expect(await pulled(on), where).toBe(true);
  await requireSound(on, where);
  await requireKept(scene);
  expect(marks(on), where).toEqual([]);
  return true;
}

describe.each(ENDINGS)("an instance that boots from a backup, %s", { timeout: 600_000 }, (_, ending) => {
  test("is none, or is sound and reads right; the backups are kept until it needs them no longer", async () => {
    const prepared = await chainOfTwo();
    const on = copyOf(prepared);
    const whole = command(on);
    await restoreInstant(whole, from(on), wanted("web2"), { wait: true });
    expect(whole.host.performed.map((action) => action.do)).toEqual(
      expect.arrayContaining(["write-file", "create-disk", "define", "start", "block-pull", "redefine", "mark-use"]),
    );
    for (const [place, end] of endsOf(ending, whole).entries()) {
      for (const [index, meanwhile] of MEANWHILE.entries()) {
        if (end.isStep && meanwhile !== "nothing" && meanwhile !== "restarts") continue;
        const next = NEXT[(place + index) % NEXT.length] ?? "a repair";
        await endOnce(prepared, end, meanwhile, next);
      }
    }
  });

  test("and its deletion half-way lets go of the backup", async () => {
    const prepared = await chainOfTwo();
    await restoreInstant(command(prepared), from(prepared), wanted("web2"), { wait: false });
    const remove = (world: ReturnType<typeof command>) => deleteInstance(world, "web2", { keepVolumes: false });
    const whole = command(copyOf(prepared));
    await remove(whole);
    expect(whole.host.performed.map((action) => action.do)).toEqual(expect.arrayContaining(["undefine", "set-owner"]));
    for (const [index, end] of endsOf(ending, whole).entries()) {
      const on = copyOf(prepared);
      const where = end.point;
      const backups = await contents(on);
      await come(end, () => remove(command(on, end.how)));
      if (index % 2 === 0) await repair(command(on));
      else {
        await recoverAll(command(on));
        await collect(command(on));
      }
      await requireSound(on, where);
      if ((await restoredUuid(on)) !== null) await remove(command(on));
      expect(marks(on), where).toEqual([]);
      expect(await contents(on), where).toEqual(backups);
    }
  });
});

test("an instance that boots from a backup, killed with QEMU, which the host starts again on a disk that lacks what it says to have: it must stop, and then reads right", async () => {
  const on = await chainOfTwo();
  const whole = command(copyOf(on));
  await restoreInstant(whole, from(on), wanted("web2"), { wait: true });
  const index = whole.host.performed.findIndex((action) => action.do === "block-pull");
  const held = (await contentsOf(on, from(on).backup)) as { vda: Content; vdb: Content };
  await run(on, { crash: { at: "action", index, phase: "midway" } }).catch(() => undefined);
  const uuid = (await restoredUuid(on)) ?? "";
  for (const job of on.machine.domains.get(uuid)?.jobs ?? []) job.lose();
  await virsh(on, { do: "destroy", domain: uuid });
  await virsh(on, { do: "start", domain: uuid, paused: false });
  await writeTo(on, 9, "in between");
  const world = command(on);
  await recoverAll(world);
  expect(world.notes.join()).toContain("QEMU died while it was merged");
  await expect(run(on)).rejects.toMatchObject({ code: "conflict", hint: expect.stringContaining("web2 vda") });
  expect(marks(on)).toHaveLength(2);
  await virsh(on, { do: "destroy", domain: uuid });
  await run(on);
  expect(await disksOfRestored(on)).toEqual({ ...held, vda: { ...held.vda, 9: "in between" } });
  expect(marks(on)).toEqual([]);
  await requireSound(on, "stopped");
});
