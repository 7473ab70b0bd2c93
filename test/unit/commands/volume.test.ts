import { expect, test } from "vitest";
import { fakeIds } from "../../fake/clock.ts";
import { fakeHost } from "../../fake/host.ts";
import { fakeStore } from "../../fake/store.ts";
import { type LineOptions, runLine } from "./line.ts";

async function withVolume() {
  const host = fakeHost();
  host.addFile("/in/web1.qcow2", { content: { 0: "boot" } });
  host.addDomain({ name: "web1", running: true, disks: [{ device: "vda", path: "/in/web1.qcow2", format: "qcow2" }] });
  const at = { host, store: fakeStore(), ids: fakeIds() };
  expect((await runLine(["volume", "create", "data1", "--size", "1M"], at)).exit).toBe(0);
  return at;
}

const json = async (words: readonly string[], at: LineOptions) =>
  JSON.parse((await runLine([...words, "-f", "json"], at)).stdout) as unknown;
const exits = async (words: readonly string[], at: LineOptions) => (await runLine(words, at)).exit;

test("volume show has the keys that the contract names, in snake_case", async () => {
  expect(await json(["volume", "show", "data1"], await withVolume())).toEqual({
    id: expect.stringMatching(/^vol-[0-9a-f]{17}$/),
    name: "data1",
    status: "available",
    size_bytes: 1048576,
    instance: null,
    instance_id: null,
    device: null,
    source_snapshot: null,
    source_image: null,
    encrypted: false,
    delete_with_instance: false,
    owner: "ana",
    created_at: "2025-01-01T00:00:00.000Z",
  });
});

test("attach and detach print nothing unless they are asked to; a guest of somebody's is adopted", async () => {
  const at = await withVolume();
  expect(await runLine(["volume", "attach", "web1", "data1"], at)).toMatchObject({ exit: 0, stdout: "" });
  expect(await json(["volume", "list"], at)).toMatchObject([
    { name: "data1", status: "in-use", instance: "web1", device: "vdb" },
    { name: null, status: "in-use", instance: "web1", device: "vda" },
  ]);
  const again = await runLine(["volume", "attach", "web1", "data1", "-f", "value", "-c", "device"], at);
  expect(again.stdout).toBe("vdb\n");
  expect(await exits(["volume", "detach", "web1", "web1/vda"], at)).toBe(5);
  expect(await exits(["volume", "detach", "web1", "data1"], at)).toBe(0);
  expect(await exits(["volume", "detach", "web1", "data1"], at)).toBe(0);
});

test("a snapshot of one volume takes the first word for its own name", async () => {
  const at = await withVolume();
  const made = await runLine(["snapshot", "create", "--volume", "data1", "monday", "-f", "value", "-c", "name"], at);
  expect(made).toMatchObject({ exit: 0, stdout: "monday\n" });
  expect(await json(["snapshot", "list", "--volume", "data1"], at)).toMatchObject([{ name: "monday", type: "volume" }]);
  expect(await exits(["snapshot", "create", "--volume", "data1", "a", "b"], at)).toBe(2);
  expect(await exits(["snapshot", "create", "--volume", "data1", "--exclude-disk", "vdb"], at)).toBe(2);
  expect(await exits(["snapshot", "create"], at)).toBe(2);
});

test.each([
  [["volume", "create", "x"], 2],
  [["volume", "create", "x", "--size", "ten"], 2],
  [["volume", "create", "x", "--size", "1G", "--disk", "vda"], 2],
  [["volume", "create", "x", "--from-image", "a", "--from-snapshot", "b"], 2],
  [["volume", "create", "x", "--from-image", "a"], 4],
  [["volume", "show", "nothing"], 4],
  [["volume", "resize", "data1", "1K"], 2],
  [["volume", "delete", "data1"], 8],
  [["instance", "create", "x", "--boot-volume", "data1", "--count", "2"], 2],
  [["instance", "create", "x", "--boot-volume", "data1", "--image", "a"], 2],
  [["image", "create", "x", "--from-volume", "nothing"], 4],
] as const)("%j exits with %i", async (words, exit) => {
  expect(await exits(words, await withVolume())).toBe(exit);
});

test("a dry run shows the commands, and changes nothing", async () => {
  const at = await withVolume();
  const plan = await runLine(["volume", "attach", "web1", "data1", "--dry-run"], at);
  expect(plan.stdout).toContain("attach-device");
  expect(await json(["volume", "show", "data1"], at)).toMatchObject({ status: "available" });
});
