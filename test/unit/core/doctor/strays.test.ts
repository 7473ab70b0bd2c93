import { expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { requireSound } from "../crashes.ts";
import { command, disksOf, stateOf, take, withGuest, write } from "../world.ts";

const STRAY = "backup-bak-0123456789abcdef0";

test.each([STRAY, "image-img-0123456789abcdef0"])(
  "a snapshot that %s left behind is named, and removed",
  async (name) => {
    const on = withGuest({ running: true });
    await take(on, "mine");
    write(on, 2, "before");
    await take(on, name);
    write(on, 2, "after");
    const held = await disksOf(on);
    expect(await examine(command(on))).toMatchObject([{ subject: `snapshot web1/${name}` }]);
    const world = command(on);
    expect((await repair(world)).map(({ result }) => result)).toEqual(["mended"]);
    expect(world.asked).toEqual([]);
    expect(Object.values((await stateOf(on)).snapshots).map((one) => one.name)).toEqual(["mine"]);
    expect(await disksOf(on)).toEqual(held);
    await requireSound(on, name);
  },
);

test.each([
  ["protected", { protect: true }],
  ["described", { description: "before the move" }],
  ["labelled", { properties: { keep: "1" } }],
  ["made to expire", { expiresAt: "2099-01-01T00:00:00.000Z" }],
])("one of such a name that a person has %s is his", async (_, change) => {
  const on = withGuest({ running: false });
  await take(on, STRAY, change);
  expect(await examine(command(on))).toEqual([]);
});

test("nor is one of another name", async () => {
  const on = withGuest({ running: false });
  await take(on, "backup-bak-of-mine");
  expect(await examine(command(on))).toEqual([]);
});
