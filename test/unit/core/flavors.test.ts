import { expect, test } from "vitest";
import { createFlavor, deleteFlavor, findFlavor, listFlavors } from "../../../src/core/flavors.ts";
import { fakeClock } from "../../fake/clock.ts";
import { fakeStore } from "../../fake/store.ts";

const GIB = 1024 ** 3;
const wanted = { name: "db", vcpus: 4, ramBytes: 8 * GIB, diskBytes: 100 * GIB };

test("a flavor is recorded, found and forgotten", async () => {
  const store = fakeStore();
  const made = await createFlavor(store, fakeClock(), wanted, false);
  expect(findFlavor(await store.read(), "db")).toEqual(made);
  expect((await listFlavors(store)).map(({ name }) => name)).toEqual([
    "tiny",
    "small",
    "medium",
    "large",
    "db",
    "xlarge",
  ]);
  await deleteFlavor(store, "db", false);
  expect(() => findFlavor({ flavors: {} } as never, "db")).toThrow("flavor db: not found");
});

test("a name that is taken is a conflict, and a size that no guest can have is malformed", async () => {
  const store = fakeStore();
  const create = (change: Partial<typeof wanted>): Promise<unknown> =>
    createFlavor(store, fakeClock(), { ...wanted, ...change }, false);
  await expect(create({ name: "tiny" })).rejects.toMatchObject({ code: "conflict" });
  await expect(create({ name: "a/b" })).rejects.toMatchObject({ code: "usage" });
  await expect(create({ vcpus: 10_000 })).rejects.toMatchObject({ code: "usage" });
  await expect(create({ ramBytes: 1 })).rejects.toMatchObject({ code: "usage" });
  expect(store.writes).toEqual([]);
});

test("names that every object has are names like any other", async () => {
  const store = fakeStore();
  await expect(deleteFlavor(store, "constructor", false)).rejects.toMatchObject({ code: "not_found" });
  await createFlavor(store, fakeClock(), { ...wanted, name: "__proto__" }, false);
  expect(findFlavor(await store.read(), "__proto__").vcpus).toBe(4);
});
