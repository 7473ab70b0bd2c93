import { describe, expect, test } from "vitest";
import type { ProgressDetail } from "../../../src/ui/progress.ts";
import { type ProgressWay, statusLine } from "../../../src/ui/status-line.ts";

const MIB = 1024 ** 2;

/** What is written when it is told of so much, each at its time. */
function written(
  way: ProgressWay,
  told: readonly (readonly [ms: number, title: string, fraction: number | null, ProgressDetail?])[],
) {
  let ms = 0;
  const texts: string[] = [];
  const line = statusLine({
    stderr: { write: (text) => texts.push(text) },
    way,
    columns: 80,
    nowMs: () => ms,
    now: () => new Date(2025, 0, 1, 6, 45, 0),
  });
  for (const [at, title, fraction, detail] of told) {
    ms = at;
    line.show(title, fraction, detail);
  }
  line.end();
  return texts.map((text) => text.replaceAll("\r\u001b[K", "")).filter((text) => text !== "");
}

const total = { totalBytes: 965 * MIB };

describe("at a terminal", () => {
  test("amount, rate and the time that is left, and what it was when it is over", () => {
    expect(
      written("moving", [
        [0, "Copy the disks", 0, total],
        [2000, "Copy the disks", 0.14, total],
        [13_000, "Copy the disks", 1, total],
      ]),
    ).toEqual([
      "Copy the disks… 0 B of 965 MiB",
      "Copy the disks… 135 MiB of 965 MiB  67.6 MiB/s  13 s left",
      "Copy the disks… 965 MiB of 965 MiB  74.2 MiB/s",
      "Copy the disks: 965 MiB in 13 s (74.2 MiB/s)\n",
    ]);
  });

  test("of work that had begun before: the rate since it is seen", () => {
    expect(
      written("moving", [
        [0, "Backup of web1", 0.5, total],
        [10_000, "Backup of web1", 0.6, total],
      ])[1],
    ).toBe("Backup of web1… 579 MiB of 965 MiB  9.6 MiB/s  41 s left");
  });

  test("where nobody knows how much it is, its share and the time", () => {
    expect(
      written("moving", [
        [0, "Merge", 0],
        [100_000, "Merge", 0.5],
      ]),
    ).toEqual(["Merge… 0%", "Merge… 50%  1 min 40 s left"]);
  });

  test("of waiting: how long, and until when", () => {
    const detail = { waitedMs: 12_000, timeoutMs: 300_000 };
    expect(written("moving", [[0, "Waiting for web1", null, detail]])).toEqual([
      "Waiting for web1… 12 s, until 06:49:48",
    ]);
  });

  test("what was short is not summed up", () => {
    expect(
      written("moving", [
        [0, "Copy", 0],
        [4000, "Copy", 1],
      ]),
    ).toEqual(["Copy… 0%", "Copy… 100%"]);
  });
});

test("into a log goes a line every ten seconds, and none of what is shorter", () => {
  const told = Array.from({ length: 26 }, (_, second) => [second * 1000, "Copy", second / 25, total] as const);
  expect(written("log", told)).toEqual([
    "Copy: 386 MiB of 965 MiB, 38.6 MiB/s, 15 s left\n",
    "Copy: 772 MiB of 965 MiB, 38.6 MiB/s, 5 s left\n",
    "Copy: 965 MiB in 25 s (38.6 MiB/s)\n",
  ]);
  expect(written("log", told.slice(0, 5))).toEqual([]);
});

test("a title cannot act on the terminal that shows the JSON", () => {
  const title = "Copy a\u009b31m\u202e";
  const [text = ""] = written("json", [[0, title, 0, total]]);
  expect(text).toMatch(/^[\x20-\x7e]+\n$/);
  expect(JSON.parse(text).progress.title).toBe(title);
});

test("for programs it is one JSON object a line", () => {
  const [first, second] = written("json", [
    [0, "Copy", 0, total],
    [2000, "Copy", 0.5, total],
  ]).map((text) => JSON.parse(text));
  expect(first).toMatchObject({ progress: { title: "Copy", fraction: 0, done_bytes: 0, bytes_per_second: null } });
  expect(second).toEqual({
    progress: {
      title: "Copy",
      fraction: 0.5,
      done_bytes: 482.5 * MIB,
      total_bytes: 965 * MIB,
      bytes_per_second: 241.25 * MIB,
      seconds_left: 2,
      elapsed_seconds: 2,
      timeout_seconds: null,
    },
  });
});

test("who is quiet is told nothing", () => {
  expect(
    written("none", [
      [0, "Copy", 0],
      [60_000, "Copy", 1],
    ]),
  ).toEqual([]);
});
