/** What is read of a guest's disks stays there meanwhile, and nothing else waits for it. */
import { expect, test } from "vitest";
import { fakeStore } from "../../fake/store.ts";
import { fakeDisk } from "../../fake/store-disk.ts";
import { estate, run } from "../commands/estate.ts";
import { runLine } from "../commands/line.ts";
import { command } from "./world.ts";

const layersOf = async (on: Awaited<ReturnType<typeof estate>>) => {
  const { layers, snapshots } = await command(on).store.read();
  const first = Object.values(snapshots).find(({ name, volume }) => name === "monday" && volume !== null);
  return layers[first?.disks[0]?.layer ?? ""];
};

test("a snapshot can be deleted while its files are read, and what it held is freed afterwards", async () => {
  const on = await estate();
  const layer = await layersOf(on);
  if (layer === undefined) throw new Error("the estate has no such snapshot");
  let isThere: boolean | null = null;
  on.machine.guest.meanwhile = async () => {
    on.machine.guest.meanwhile = null;
    expect(await run(on, "snapshot delete data1/monday -y")).toMatchObject({ exit: 0 });
    isThere = on.machine.files.has(layer.file);
  };
  expect(await run(on, "snapshot files data1/monday /etc")).toMatchObject({ exit: 0 });
  expect(isThere).toBe(true);
  expect((await command(on).store.read()).layers[layer.id]).toBeUndefined();
  expect(on.machine.guest.open).toBe(0);
});

test("an instance goes on while files of its snapshot are read", async () => {
  const on = await estate();
  const codes: number[] = [];
  on.machine.guest.meanwhile = async () => {
    for (const line of ["snapshot create web1 meanwhile", "instance stop web1 --force", "instance start web1"])
      codes.push((await run(on, line)).exit);
  };
  expect(await run(on, "snapshot files web1/first")).toMatchObject({ exit: 0 });
  expect(codes).toEqual([0, 0, 0]);
});

test("a backup cannot be deleted while its files are read", async () => {
  const on = await estate();
  let exit: number | null = null;
  on.machine.guest.meanwhile = async () => {
    ({ exit } = await run(on, "backup delete nightly -y"));
  };
  expect(await run(on, "backup files nightly")).toMatchObject({ exit: 0 });
  expect(exit).toBe(5);
});

test("on a machine that has nothing but the target, looking at it makes no store", async () => {
  const on = await estate();
  const store = fakeStore({ disk: { ...fakeDisk(), isMade: false } });
  const words = ["backup", "files", "bak-00000000000000001", "/etc", "--target", "/backups"];
  expect(await runLine(words, { host: command(on).host, store })).toMatchObject({ exit: 0 });
  expect(await store.isThere()).toBe(false);
});
