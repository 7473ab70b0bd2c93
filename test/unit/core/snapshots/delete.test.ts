import { describe, expect, test } from "vitest";
import type { PlanView } from "../../../../src/core/operations/steps.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { listSnapshots, snapshotTree, type TreeNode } from "../../../../src/core/snapshots/list.ts";
import { revertSnapshot, unrevertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { pruneSnapshots, setSnapshot } from "../../../../src/core/snapshots/set.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { CLUSTER_BYTES } from "../../../fake/host.ts";
import { requireSound } from "../crashes.ts";
import {
  type Bed,
  command,
  contentsOf,
  copyOf,
  disksOf,
  everything,
  recordsOf,
  start,
  stateOf,
  stop,
  take,
  UUID,
  withGuest,
  write,
} from "../world.ts";

const DAY_MS = 86_400_000;
const drop = (on: Bed, target: string, children = false) => deleteSnapshot(command(on), target, { children });

async function names(on: Bed): Promise<string[]> {
  return (await listSnapshots(command(on), {}, false)).map(({ name }) => name);
}

/** "s1(s2(s3*))": the tree, with a star behind the current one. */
async function tree(on: Bed): Promise<string> {
  const { roots, current } = await snapshotTree(command(on), await stateOf(on), UUID, false);
  const text = (node: TreeNode): string =>
    `${node.name.startsWith("before") ? "kept" : node.name}${node.id === current ? "*" : ""}${
      node.children.length > 0 ? `(${node.children.map(text).join(" ")})` : ""
    }`;
  return roots.map(text).join(" ");
}

async function three(running = true): Promise<Bed> {
  const on = withGuest();
  for (const [index, name] of ["s1", "s2", "s3"].entries()) {
    write(on, 2, `before ${name}`);
    write(on, 4 + index, name);
    await take(on, name);
  }
  write(on, 2, "head");
  if (!running) await stop(on);
  return on;
}

const usedBytes = (on: Bed) =>
  [...on.machine.files.values()].reduce((sum, { clusters }) => sum + clusters.size * CLUSTER_BYTES, 0);

describe("deleting a snapshot", () => {
  test.each(["s1", "s2", "s3"])("%s, whichever it is, changes no other and nothing the guest sees", async (name) => {
    for (const running of [true, false]) {
      const on = await three(running);
      const kept = Object.values((await stateOf(on)).snapshots).filter((one) => one.name !== name);
      const before = await Promise.all(kept.map(({ id }) => contentsOf(on, id)));
      const held = await disksOf(on);
      await drop(on, `web1/${name}`);
      expect(await Promise.all(kept.map(({ id }) => contentsOf(on, id)))).toEqual(before);
      expect(await disksOf(on)).toEqual(held);
      expect(recordsOf(on)).toHaveLength(2);
      await requireSound(on, name);
    }
  });

  test.each(["s1", "s2", "s3"])("frees what its dry run promised, by the commands that it named (%s)", async (name) => {
    for (const running of [true, false]) {
      const on = await three(running);
      const before = everything(on);
      const [other, again] = [copyOf(on), copyOf(on)];
      const plan = (await deleteSnapshot(command(other, { dryRun: true }), `web1/${name}`, {
        children: false,
      })) as PlanView;
      expect(everything(other)).toBe(before);
      const world = command(again);
      await deleteSnapshot(world, `web1/${name}`, { children: false });
      expect(usedBytes(on) - usedBytes(again)).toBe(plan.freesBytes);
      const done = world.host.told;
      expect(plan.steps.flatMap((step) => step.commands)).toEqual(done);
      const view = (await listSnapshots(command(on), {}, true)).find((one) => one.name === name);
      expect(view?.exclusive_bytes).toBe(plan.freesBytes);
    }
  });

  test("says that nobody knows what it frees where a file that it depends on cannot be read", async () => {
    const on = await three();
    const layer = (await stateOf(on)).layers[
      Object.values((await stateOf(on)).snapshots).find(({ name }) => name === "s2")?.disks[0]?.layer ?? ""
    ];
    const blind = (dryRun: boolean) => {
      const world = command(on, { dryRun });
      const { ownExtents } = world.host;
      world.host.ownExtents = async (image) => {
        if (image.path === layer?.file) throw new EstratoError("host", "an I/O error");
        return ownExtents(image);
      };
      return world;
    };
    const plan = (await deleteSnapshot(blind(true), "web1/s2", { children: false })) as PlanView;
    expect(plan.freesBytes).toBeNull();
    expect(plan.notes).toContainEqual(expect.stringContaining("nobody knows"));
    const views = await listSnapshots(blind(false), {}, true);
    expect(views.find(({ name }) => name === "s2")?.exclusive_bytes).toBeNull();
  });

  test("with --children asks, naming all that goes, and takes them all", async () => {
    const on = await three();
    const no = command(on, { answer: false });
    expect(await deleteSnapshot(no, "web1/s2", { children: true })).toBeNull();
    expect(no.asked[0]?.loses).toEqual([
      "snapshot web1/s2, 64 KiB, made 1 minute ago",
      "snapshot web1/s3, 64 KiB, made now",
    ]);
    expect(await names(on)).toEqual(["s1", "s2", "s3"]);
    await drop(on, "web1/s2", true);
    expect(await names(on)).toEqual(["s1"]);
    await requireSound(on, "children");
  });

  test.each(["s2", "s3"])("with --children takes none of %s where another has come since", async (name) => {
    const on = await three();
    const world = command(on);
    const { lock } = world.store;
    world.store.lock = async (...how) => {
      world.store.lock = lock;
      await take(on, "later");
      return lock(...how);
    };
    await expect(deleteSnapshot(world, `web1/${name}`, { children: true })).rejects.toThrow(
      `snapshot web1/${name}: web1/later descends from it since`,
    );
    expect(await names(on)).toEqual(["s1", "s2", "s3", "later"]);
  });

  test("is refused for a protected one, and for all where one child is", async () => {
    const on = await three();
    await setSnapshot(command(on), "web1/s3", { protect: true });
    const before = everything(on);
    await expect(drop(on, "web1/s3")).rejects.toMatchObject({ code: "conflict" });
    await expect(drop(on, "web1/s1", true)).rejects.toMatchObject({ code: "conflict" });
    expect(everything(on)).toBe(before);
    await setSnapshot(command(on), "web1/s3", { protect: false });
    await drop(on, "web1/s3");
  });

  test("needs one that is there", async () => {
    await expect(drop(await three(), "web1/s9")).rejects.toMatchObject({ code: "not_found" });
  });

  test("of all leaves the guest's own file as its disk again, once it is off", async () => {
    const on = await three(false);
    for (const name of ["s2", "s1", "s3"]) await drop(on, `web1/${name}`);
    await start(on);
    expect(await disksOf(on)).toEqual({
      vda: { 0: "boot", 1: "root", 2: "head", 4: "s1", 5: "s2", 6: "s3" },
    });
    expect(Object.keys((await stateOf(on)).layers)).toHaveLength(1);
    expect([...on.machine.files.keys()]).toEqual(["/disks/web1-vda.qcow2"]);
    await requireSound(on, "all gone");
  });
});

describe("the tree", () => {
  test("says who descends from whom, and on which the guest stands, after every verb", async () => {
    const on = withGuest();
    await take(on, "s1");
    await take(on, "s2");
    expect(await tree(on)).toBe("s1(s2*)");
    await revertSnapshot(command(on), "web1/s1", { discard: false, keepMs: DAY_MS });
    expect(await tree(on)).toBe("s1*(s2(kept))");
    await take(on, "s3");
    expect(await tree(on)).toBe("s1(s2(kept) s3*)");
    await drop(on, "web1/s1");
    expect(await tree(on)).toBe("s2(kept) s3*");
    await revertSnapshot(command(on), "web1/s2", { discard: true, keepMs: DAY_MS });
    expect(await tree(on)).toBe("s2*(kept) s3");
    await drop(on, "web1/s2");
    expect(await tree(on)).toBe("kept s3");
  });

  test("comes back with an unrevert", async () => {
    const on = withGuest();
    await take(on, "s1");
    await take(on, "s2");
    const keep = { discard: false, keepMs: DAY_MS };
    await revertSnapshot(command(on), "web1/s1", keep);
    await unrevertSnapshot(command(on), "web1", keep);
    expect((await tree(on)).replaceAll("*", "")).toBe("s1(s2 kept)");
    expect((await stateOf(on)).instances[UUID]?.current).toBe(
      Object.values((await stateOf(on)).snapshots).find(({ name }) => name === "s2")?.id,
    );
  });
});

describe("pruning", () => {
  test("deletes what has expired and is not protected, and nothing else", async () => {
    const on = withGuest();
    const expiresAt = "2025-01-02T00:00:00.000Z";
    await take(on, "stays");
    await take(on, "goes", { expiresAt });
    await take(on, "protected", { expiresAt, protect: true });
    expect(await pruneSnapshots(command(on))).toEqual([]);
    on.clock.set(expiresAt);
    expect((await listSnapshots(command(on), {}, false)).map(({ status }) => status)).toEqual([
      "available",
      "expired",
      "expired",
    ]);
    expect(await pruneSnapshots(command(on))).toEqual(["web1/goes"]);
    expect(await names(on)).toEqual(["stays", "protected"]);
    await requireSound(on, "pruned");
  });

  test("leaves what another command works on for the next time", async () => {
    const on = withGuest();
    await take(on, "goes", { expiresAt: "2025-01-01T00:00:00.000Z" });
    on.disk.locks.set(UUID, {});
    const world = command(on);
    expect(await pruneSnapshots(world)).toEqual([]);
    expect(world.notes.join()).toContain("has expired, but is left");
  });

  /** Two that have expired; the process prunes, and between the two something else is done. */
  async function between(work: (on: Bed) => Promise<unknown>) {
    const on = await three(false);
    for (const name of ["s1", "s2"])
      await setSnapshot(command(on), `web1/${name}`, { expiresAt: "2025-01-01T00:00:00.000Z" });
    const world = command(on);
    const { lock } = world.store;
    let isDone = false;
    world.store.lock = async (...how) => {
      if (!isDone && how[0].includes(UUID) && !(await names(on)).includes("s1")) {
        isDone = true;
        await work(on);
      }
      return lock(...how);
    };
    return { on, gone: await pruneSnapshots(world), notes: world.notes };
  }

  test("leaves one that is to expire no more by then", async () => {
    const changed = { expiresAt: null };
    const { on, gone, notes } = await between((on) => setSnapshot(command(on), "web1/s2", changed));
    expect({ gone, notes }).toEqual({ gone: ["web1/s1"], notes: [] });
    expect(await names(on)).toEqual(["s2", "s3"]);
    await requireSound(on, "pruned");
  });

  test("goes on where another command has pruned meanwhile", async () => {
    const { on, gone, notes } = await between((on) => pruneSnapshots(command(on)));
    expect({ gone, notes }).toEqual({ gone: ["web1/s1"], notes: [] });
    expect(await names(on)).toEqual(["s3"]);
    await requireSound(on, "pruned");
  });
});

describe("the list", () => {
  test("is of one instance, one volume or one owner, and shows libvirt's own, marked", async () => {
    const on = await three();
    const world = command(on);
    expect(await listSnapshots(world, { owner: "somebody" }, false)).toEqual([]);
    expect(await listSnapshots(world, { volume: "vol-none" }, false)).toEqual([]);
    on.machine.domains.get(UUID)?.snapshots.push("theirs");
    const views = await listSnapshots(world, { instance: UUID }, false);
    expect(views.map(({ name, type }) => `${name} ${type}`)).toEqual([
      "s1 instance",
      "s2 instance",
      "s3 instance",
      "theirs libvirt",
    ]);
    expect(views.map(({ current }) => current)).toEqual([false, false, true, false]);
  });
});
