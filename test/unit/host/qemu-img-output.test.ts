import { describe, expect, test } from "vitest";
import { filePathOf } from "../../../src/host/qemu-file-names.ts";
import {
  createExtentReader,
  parseDepth,
  parseFaults,
  parseInfo,
  parseMeasure,
  parseProgress,
} from "../../../src/host/qemu-img-output.ts";

/** Recorded: `qemu-img info --output=json` of QEMU 7.2. */
const OVERLAY = JSON.stringify({
  "backing-filename-format": "qcow2",
  "virtual-size": 67108864,
  filename: "/l/head.qcow2",
  "cluster-size": 65536,
  format: "qcow2",
  "actual-size": 200704,
  "format-specific": { type: "qcow2", data: { compat: "1.1", corrupt: false, "extended-l2": false } },
  "full-backing-filename": "/l/base.qcow2",
  "backing-filename": "base.qcow2",
  "dirty-flag": false,
});

describe("the facts of an image", () => {
  test("name the backing by its absolute path", () => {
    expect(parseInfo(OVERLAY, "/l/head.qcow2")).toEqual({
      path: "/l/head.qcow2",
      format: "qcow2",
      virtualSizeBytes: 67108864,
      actualSizeBytes: 200704,
      backing: "/l/base.qcow2",
      backingFormat: "qcow2",
      encrypted: false,
      dirty: false,
      internalSnapshots: 0,
    });
  });

  test("tell of encryption, corruption and internal snapshots", () => {
    const answer = JSON.parse(OVERLAY);
    const data = { encrypt: { format: "luks" }, corrupt: true };
    const info = parseInfo(
      JSON.stringify({ ...answer, encrypted: true, snapshots: [{}, {}], "format-specific": { data } }),
      "/l/head.qcow2",
    );
    expect(info).toMatchObject({ encrypted: true, dirty: true, internalSnapshots: 2 });
  });

  test("are refused where the answer is none", () => {
    expect(() => parseInfo("{}", "/x")).toThrow("without format or size");
    expect(() => parseInfo("no", "/x")).toThrow("no JSON");
  });
});

test("what is no answer of qemu-img's is said as such", () => {
  const failed = expect.objectContaining({ code: "failed" });
  const info = { format: "qcow2", "virtual-size": 1 };
  const reader = createExtentReader("qcow2");
  for (const text of ["", "null", "[]", "[null]", '{"start":0}', '{"start":0,"length":-1,"depth":0}']) {
    for (const read of [parseFaults, parseMeasure, (one: string) => parseInfo(one, "/a"), parseDepth])
      expect(() => read(text), text).toThrow(failed);
    if (text.startsWith("{")) expect(() => reader.line(text), text).toThrow(failed);
  }
  for (const wrong of [{ "backing-filename": 5 }, { snapshots: 1 }, { "dirty-flag": "no" }, { "actual-size": "1" }])
    expect(() => parseInfo(JSON.stringify({ ...info, ...wrong }), "/a"), JSON.stringify(wrong)).toThrow(failed);
  expect(() => parseInfo(JSON.stringify({ ...info, "backing-filename": "json:null" }), "/a")).toThrow(failed);
});

test("a name of QEMU's own kind, as deep as whoever wrote it liked, is walked down and not called down", () => {
  const deep = `json:${'{"file":'.repeat(20_000)}{"filename":"/a"}${"}".repeat(20_000)}`;
  expect(filePathOf(deep)).toBe("/a");
});

test("a name of QEMU's own kind leads to the path in it", () => {
  const nested = { driver: "qcow2", file: { driver: "file", filename: "/l/a.qcow2" }, backing: null };
  expect(filePathOf(`json:${JSON.stringify(nested)}`)).toBe("/l/a.qcow2");
  expect(filePathOf('json:{"driver":"raw","file.filename":"/l/b"}')).toBe("/l/b");
  expect(filePathOf('json:{"driver":"nbd","host":"x"}')).toBe('json:{"driver":"nbd","host":"x"}');
  expect(filePathOf("/l/plain")).toBe("/l/plain");
});

test("the own extents are data and masking zeros, with neighbours joined", () => {
  // Recorded: `qemu-img map --output=json` of an overlay opened without its backing
  const lines = [
    '[{ "start": 0, "length": 1048576, "depth": 0, "present": false, "zero": true, "data": false},',
    '{ "start": 1048576, "length": 65536, "depth": 0, "present": true, "zero": true, "data": false},',
    '{ "start": 1114112, "length": 65536, "depth": 0, "present": true, "zero": false, "data": true, "offset": 327680},',
    '{ "start": 1179648, "length": 65536, "depth": 0, "present": false, "zero": true, "data": false}]',
  ];
  const reader = createExtentReader("qcow2");
  for (const line of lines) reader.line(line);
  expect(reader.extents).toEqual([{ start: 1048576, length: 131072 }]);
});

test("a hole of a raw file is nothing of its own", () => {
  const reader = createExtentReader("raw");
  reader.line('[{ "start": 0, "length": 4096, "depth": 0, "present": true, "zero": false, "data": true, "offset": 0},');
  reader.line('{ "start": 4096, "length": 4096, "depth": 0, "present": true, "zero": true, "data": false}]');
  expect(reader.extents).toEqual([{ start: 0, length: 4096 }]);
});

test("progress is the last number of a piece of output", () => {
  expect(parseProgress("    (0.00/100%)\r    (37.50/100%)\r")).toBe(0.375);
  expect(parseProgress("")).toBeNull();
});
