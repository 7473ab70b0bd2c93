import { expect, test } from "vitest";
import { examine, repair } from "../../../src/core/doctor/doctor.ts";
import { withLocks } from "../../../src/core/operations/with-locks.ts";
import { readUsage } from "../../../src/core/usage.ts";
import { bed, command, type Process } from "./world.ts";

test("a download is kept until nobody has gone on with it for a day, and is no fault then", async () => {
  for (const work of [repair, (world: Process) => withLocks(world, ["web1"], async () => null)]) {
    const on = bed();
    const world = command(on);
    const paths = ["new", "old"].map((text, index) => {
      const path = `${world.store.paths.layersFolder}/.${`${index}`.repeat(32)}.download`;
      world.host.addFile(path, { text });
      return path;
    });
    expect(await examine(command(on))).toEqual([]);
    const { hidden } = await readUsage(command(on));
    expect(hidden.map(({ fate }) => fate)).toEqual(["deferred", "now"]);
    await work(command(on));
    expect(paths.filter((path) => on.machine.files.has(path))).toEqual([paths[0]]);
  }
});

test("the next command removes what a killed one was writing, and doctor names it and what is nobody's", async () => {
  const on = bed();
  const { paths } = command(on).store;
  const files = [
    `${paths.layersFolder}/.a.part`,
    paths.seed("x").replace(/x\.iso$/, ".b.part"),
    `${paths.layersFolder}/.c`,
  ];
  const world = command(on);
  for (const path of files) world.host.addFile(path, { format: "qcow2", content: { 0: "key" } });
  const { kinds, hidden } = await readUsage(command(on));
  expect(hidden.map(({ id, fate }) => [id, fate]).sort()).toEqual(
    files.map((path) => [path, path.endsWith(".part") ? "now" : "kept"]).sort(),
  );
  const bytes = hidden.reduce((sum, one) => sum + one.allocatedBytes, 0);
  expect(bytes).toBeGreaterThan(0);
  for (const kind of ["hidden", "total"])
    expect(kinds.find((row) => row.kind === kind)).toMatchObject({ count: 3, allocatedBytes: bytes });
  const named = async () => (await examine(command(on))).map(({ subject }) => subject).sort();
  expect(await named()).toEqual([...files].sort());
  await withLocks({ ...command(on), dryRun: true }, ["web1"], async () => null);
  expect(await named()).toEqual([...files].sort());
  await withLocks(command(on), ["web1"], async () => null);
  expect(await named()).toEqual([files[2]]);
});
