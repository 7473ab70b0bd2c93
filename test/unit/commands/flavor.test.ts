import { expect, test } from "vitest";
import { fakeStore } from "../../fake/store.ts";
import { runLine } from "./line.ts";

test("the default flavors are listed, the smallest first", async () => {
  const { stdout, stderr, exit } = await runLine(["flavor", "list", "-f", "value", "-c", "name"]);
  expect(stdout).toBe("tiny\nsmall\nmedium\nlarge\nxlarge\n");
  expect(stderr).toBe("");
  expect(exit).toBe(0);
});

test("a flavor that is made is printed, and then shown", async () => {
  const store = fakeStore();
  const line = ["flavor", "create", "db", "--vcpus", "4", "--ram", "8G", "--disk", "100GiB", "-f", "json"];
  const made = await runLine(line, { store });
  const flavor = {
    name: "db",
    vcpus: 4,
    ram_bytes: 8 * 1024 ** 3,
    disk_bytes: 100 * 1024 ** 3,
    created_at: "2025-01-01T00:00:00.000Z",
  };
  expect(JSON.parse(made.stdout)).toEqual({ ...flavor, changed: true, schema_version: 1 });
  const shown = await runLine(["flavor", "show", "db", "-f", "json"], { store });
  expect(JSON.parse(shown.stdout)).toEqual(flavor);
});

test("with --dry-run the plan is printed and nothing is stored", async () => {
  const store = fakeStore();
  const { stdout } = await runLine(["flavor", "create", "db", "--ram", "8G", "--disk", "1G", "-n"], { store });
  expect(stdout).toBe("1. Record flavor db\n");
  expect(store.writes).toEqual([]);
});

test("a dry run refuses what the real run would refuse", async () => {
  const { exit, stderr } = await runLine(["flavor", "create", "tiny", "--ram", "8G", "--disk", "1G", "-n"]);
  expect(stderr).toBe('estrato: flavor tiny: the name is taken. Choose another; see "estrato flavor list".\n');
  expect(exit).toBe(5);
});

test("a deleted flavor prints nothing and is gone", async () => {
  const store = fakeStore();
  expect(await runLine(["flavor", "delete", "tiny"], { store })).toEqual({ exit: 0, stdout: "", stderr: "" });
  expect((await runLine(["flavor", "show", "tiny"], { store })).exit).toBe(4);
});

test("a flavor without virtual CPUs is malformed", async () => {
  const line = ["flavor", "create", "db", "--vcpus", "0", "--ram", "8G", "--disk", "1G"];
  expect(await runLine(line)).toEqual({
    exit: 2,
    stdout: "",
    stderr: 'estrato: --vcpus "0": not a whole number from 1 on. Write it as 1, 2, ….\n',
  });
});
