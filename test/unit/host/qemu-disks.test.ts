import { expect, test } from "vitest";
import { parseBlockJob } from "../../../src/host/block-job.ts";
import { disksOf, parseNodes, parseQueryBlock, strangersOn } from "../../../src/host/qemu-disks.ts";

const image = (filename: string, backing?: object) => ({
  filename,
  "virtual-size": 67108864,
  format: "qcow2",
  ...(backing ? { "backing-image": backing } : {}),
});

test("each disk is found by its alias, with the chain that QEMU holds, top first", () => {
  const base = image('json:{"driver":"qcow2","file":{"driver":"file","filename":"/l/base"}}');
  const answer = {
    return: [
      { qdev: "/machine/peripheral/virtio-disk10/virtio-backend", inserted: { image: image("/l/other") } },
      { qdev: "/machine/peripheral/virtio-disk1/virtio-backend", inserted: { image: image("/l/head", base) } },
      { qdev: "sata0-0-0" },
    ],
  };
  const aliases = new Map([
    ["vda", "virtio-disk1"],
    ["sda", "sata0-0-0"],
  ]);
  expect(disksOf(parseQueryBlock(JSON.stringify(answer)), aliases)).toEqual([
    { device: "vda", chain: ["/l/head", "/l/base"], sizeBytes: 67108864 },
  ]);
});

test("a device on a file that libvirt has no name for is a stranger, and is named as QEMU wants it", () => {
  const answer = [
    { qdev: "/machine/peripheral/virtio-disk0/virtio-backend", inserted: { image: image("/l/root") } },
    { qdev: "/machine/peripheral/virtio-disk1/virtio-backend", inserted: { image: image("/l/data") } },
    { qdev: "scsi0-0-0-1", inserted: { image: image("/l/data") } },
    { inserted: { image: image("/l/data") } },
  ];
  const blocks = parseQueryBlock(JSON.stringify({ return: answer }));
  expect(strangersOn(blocks, ["virtio-disk0"], "/l/data")).toEqual(["virtio-disk1", "scsi0-0-0-1"]);
  expect(strangersOn(blocks, ["virtio-disk0", "virtio-disk1", "scsi0-0-0-1"], "/l/data")).toEqual([]);
  expect(strangersOn(blocks, ["virtio-disk0"], "/l/root")).toEqual([]);
});

test("nodes are known by the file that they read in the end", () => {
  const file = 'json:{"driver":"qcow2","file":{"driver":"file","filename":"/l/head"}}';
  const answer = {
    return: [
      { "node-name": "n1", file },
      { "node-name": "n2", file: "/l/base" },
    ],
    id: "1",
  };
  expect(parseNodes(JSON.stringify(answer))).toEqual([
    { name: "n1", file: "/l/head" },
    { name: "n2", file: "/l/base" },
  ]);
});

test("a filter that repeats the name of what it filters is no layer", () => {
  const answer = { return: [{ qdev: "virtio-disk0", inserted: { image: image("/l/head", image("/l/head")) } }] };
  const [disk] = disksOf(parseQueryBlock(JSON.stringify(answer)), new Map([["vda", "virtio-disk0"]]));
  expect(disk?.chain).toEqual(["/l/head"]);
});

test("what is no answer of QEMU's is said, and is never taken for a guest without disks", () => {
  const block = (one: unknown) => JSON.stringify({ return: [{ qdev: "x", inserted: { image: one } }] });
  const texts = ["", "null", "[]", "{}", '{"return":{}}', '{"return":[null]}', '{"error":{"desc":"no"}}'];
  const images = [{}, { filename: 5, "virtual-size": 1 }, { filename: "/a" }, { filename: "/a", "virtual-size": -1 }];
  const failed = expect.objectContaining({ code: "failed" });
  for (const text of [...texts, ...images.map(block)]) expect(() => parseQueryBlock(text), text).toThrow(failed);
  for (const text of texts) expect(() => parseNodes(text), text).toThrow(failed);
});

test("a job is known by its type, and no answer is no job", () => {
  expect(parseBlockJob(" type=Active Block Commit\n bandwidth=0\n cur=1\n end=4\n")).toEqual({
    type: "Active Block Commit",
    fraction: 0.25,
  });
  expect(parseBlockJob(" type=Block Pull\n cur=0\n end=0\n")?.fraction).toBe(0);
  expect(parseBlockJob("\n")).toBeNull();
});
