/** Rebuilding on somebody else's image: as when an instance is made of it. */
import { describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { type Rebuilt, rebuildInstance } from "../../../../src/core/instances/rebuild.ts";
import type { World } from "../../../../src/core/ports.ts";
import { shareImage, unshareImage } from "../../../../src/core/sharing/share.ts";
import { unrevertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { ENDINGS } from "../ends.ts";
import { create } from "./borrower.ts";
import { lent, swapUnder } from "./lender.ts";
import { ALICE, as, BOB, endEverywhere, GOLDEN, type Hosted, hosted, next, stateOf, storeOf, TOP } from "./world.ts";

const OF_GOLDEN = { 0: `of ${TOP}` };
const keep = { image: null, keepMs: 86_400_000, trustOwner: false };
const rebuild = (world: World, change = {}) =>
  rebuildInstance(world, "web1", { ...keep, ...change }) as Promise<Rebuilt>;
const marks = ({ machine }: Hosted) =>
  [...machine.files.keys()].filter((path) => path.startsWith(`${storeOf(ALICE)}/shares/${GOLDEN}/`));

/** web1 stands on root's golden, and has been written to. */
async function borrowing(): Promise<Hosted> {
  const on = hosted();
  await shareImage(as(on, ALICE), "golden", { users: ["bob"], everybody: false });
  await create(as(on, BOB));
  as(on, BOB).host.guestWrite("web1", "vda", 1, "bob's");
  return on;
}

describe("of one that stands on a lender's files", () => {
  test("stands on them once more, and says so to him until what was kept is gone, too", async () => {
    const on = await borrowing();
    const bob = as(on, BOB);
    await rebuild(bob);
    expect(bob.host.guestRead("web1", "vda")).toEqual(OF_GOLDEN);
    expect(marks(on)).toHaveLength(2);
    expect(await examine(as(on, BOB))).toEqual([]);
    await unrevertSnapshot(as(on, BOB), "web1", { discard: false, keepMs: keep.keepMs });
    expect(bob.host.guestRead("web1", "vda")).toEqual({ ...OF_GOLDEN, 1: "bob's" });
    expect(await examine(as(on, BOB))).toEqual([]);
    await deleteInstance(as(on, BOB), "web1", { keepVolumes: false });
    expect(marks(on)).toEqual([]);
  });

  test.each(ENDINGS)(
    "%s, leaves as many words with him as it stands on files of his",
    { timeout: 600_000 },
    async (_, ending) => {
      await endEverywhere(
        ending,
        borrowing,
        BOB,
        (world) => rebuild(world),
        async (on, where) => {
          await next(on, BOB);
          const layers = Object.values((await stateOf(on, BOB)).layers);
          expect(marks(on).sort(), where).toEqual(layers.flatMap(({ borrowed }) => borrowed?.marker ?? []).sort());
          expect(await examine(as(on, BOB)), where).toEqual([]);
        },
      );
    },
  );

  test("is refused where it is not shared any more, and another image is not named", async () => {
    const on = hosted();
    await shareImage(as(on, ALICE), "golden", { users: ["bob"], everybody: false });
    await create(as(on, BOB));
    await as(on, BOB).store.update((draft) => {
      for (const { base } of Object.values(draft.instances)) if (base) base.image = "img-0000000000000dead";
    });
    await expect(rebuild(as(on, BOB))).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("of one that stands on copies of a lender's files", () => {
  test("needs nothing of him: it goes back to what was copied then", async () => {
    const on = await lent();
    await create(as(on, BOB));
    as(on, BOB).host.guestWrite("web1", "vda", 1, "bob's");
    await unshareImage(as(on, ALICE), "golden", null as never).catch(() => undefined);
    swapUnder(on);
    const bob = as(on, BOB);
    const { image } = await rebuild(bob);
    expect(image).toBe("alice/golden");
    expect(bob.host.guestRead("web1", "vda")).toEqual(OF_GOLDEN);
    expect(bob.host.performed.filter((action) => action.do === "convert")).toEqual([]);
    expect(await examine(as(on, BOB))).toEqual([]);
  });

  test("copies anew where the image is named, and is that one's from then on", async () => {
    const on = await lent();
    await create(as(on, BOB));
    const bob = as(on, BOB);
    await rebuild(bob, { image: "golden" });
    expect(bob.host.performed.some((action) => action.do === "convert")).toBe(true);
    const { instances, images } = await stateOf(on, BOB);
    expect(images).toEqual({});
    expect(Object.values(instances)[0]).toMatchObject({ image: GOLDEN, base: { image: GOLDEN, name: "alice/golden" } });
    expect(await examine(as(on, BOB))).toEqual([]);
  });
});
