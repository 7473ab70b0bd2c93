/** What a playbook needs: a create that may be repeated, and `changed` in JSON. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { everything } from "../core/world.ts";
import { differences, estate, run } from "./estate.ts";

const NOTE = "It is there already, and left as it is.\n";
const LINES = [
  "instance create web1 --image debian12",
  "snapshot create web1 first",
  "snapshot create --volume data1 monday",
  "image create debian12 --from-volume data1",
  "volume create data1 --size 5G",
  "flavor create tiny --ram 9G --disk 9G",
  "keypair create mykey",
];

test.each(LINES)("%s: with --if-absent what is there is left and shown; without it is 5", async (line) => {
  const on = await estate();
  const before = everything(on);
  const { exit, stdout, stderr } = await run(on, `${line} --if-absent -f json`);
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: NOTE });
  expect(JSON.parse(stdout)).toMatchObject({
    name: line.split(" ").at(line.includes("--volume") ? 4 : line.startsWith("snapshot") ? 3 : 2),
    changed: false,
  });
  expect((await run(on, `${line} --if-absent -n`)).stdout).toBe(`Note: ${NOTE}`);
  expect((await run(on, line)).exit).toBe(5);
  expect(differences(before, everything(on))).toEqual([]);
});

test("a schedule and an imported key too", async () => {
  const on = await estate();
  const folder = mkdtempSync(join(tmpdir(), "estrato-key-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const made = JSON.parse((await run(on, "keypair create other -f json")).stdout);
  writeFileSync(join(folder, "key.pub"), `${made.public_key}\n`);
  for (const line of [
    "schedule create nightly --snapshot web1 --cron 0·3·*·*·* --rotation 2",
    `keypair import third --file ${join(folder, "key.pub")}`,
  ]) {
    for (const changed of [true, false])
      expect(JSON.parse((await run(on, `${line} --if-absent -f json`)).stdout), line).toMatchObject({ changed });
  }
});

test("with --if-absent what is not there is made", async () => {
  const on = await estate();
  const { stdout } = await run(on, "volume create data9 --size 1M --if-absent -f json");
  expect(JSON.parse(stdout)).toMatchObject({ name: "data9", changed: true, schema_version: 1 });
});

test("what is so already is not changed; of several each says it for itself", async () => {
  const { stdout } = await run(await estate(), "instance start web1 web2 -f json");
  expect(JSON.parse(stdout)).toMatchObject([
    { name: "web1", changed: false },
    { name: "web2", changed: true },
  ]);
});

test("--if-absent is about one name", async () => {
  const on = await estate();
  for (const line of ["instance create w --image debian12 --count 2", "snapshot create web1"])
    expect(await run(on, `${line} --if-absent`)).toMatchObject({ exit: 2 });
});
