/** A store whose file system has turned read-only: all can be looked at, and nothing is begun. */
import { expect, test } from "vitest";
import { everything, TARGET } from "../core/world.ts";
import { estate, run } from "./estate.ts";

const CHANGING = [
  "instance create x --image debian12 --vcpus 1 --ram 64M --network none",
  "instance adopt legacy",
  "instance start web2",
  "instance stop web1 --force",
  "instance delete web1 -y",
  "image create x --from-snapshot web1/first",
  "volume create x --size 1M",
  "volume delete data1 -y",
  "snapshot create web1 x",
  "snapshot create --volume data1 x",
  "snapshot delete web2/first",
  "snapshot revert web1/first",
  "unshelve put-by",
  `backup web2 --rotation 3 --target ${TARGET}`,
  `backup restore nightly --instance x --network none --target ${TARGET}`,
  "flavor create mini --vcpus 1 --ram 64M --disk 1M",
  "doctor --repair -y",
];

const LOOKING = [
  "instance list",
  "instance show web1",
  "snapshot tree web1",
  "volume list",
  "image list",
  `backup list --target ${TARGET}`,
  `backup verify --all --target ${TARGET}`,
  "usage",
  "event list",
];

async function readOnly() {
  const on = await estate();
  on.disk.isReadOnly = true;
  return on;
}

test.each(CHANGING)("%s: refused in one line, with nothing begun", async (line) => {
  const on = await readOnly();
  const before = everything(on);
  const { exit, stdout, stderr } = await run(on, line);
  expect({ exit, stdout, stderr }).toEqual({
    exit: 6,
    stdout: "",
    stderr: "estrato: /fake/estrato: the file system is read-only. Mount it writable.\n",
  });
  expect(everything(on)).toBe(before);
});

test.each(LOOKING)("%s: shows what it shows of any other store", async (line) => {
  const on = await readOnly();
  const { exit, stdout } = await run(on, line);
  expect({ exit, stdout }).toEqual({ exit: 0, stdout: (await run(await estate(), line)).stdout });
});

test("doctor and check say that nothing can be changed", async () => {
  const doctor = await run(await readOnly(), "doctor");
  const why = "nothing can be changed: /fake/estrato: the file system is read-only";
  expect(doctor).toMatchObject({ exit: 9, stdout: expect.stringContaining(why) });
  expect(await run(await readOnly(), "check")).toMatchObject({ exit: 2, stdout: expect.stringContaining(why) });
});
