import { describe, expect, test } from "vitest";
import { type EventFilter, eventViews } from "../../../src/core/events.ts";
import type { OperationEvent } from "../../../src/core/model/journal.ts";
import { estate, run } from "../commands/estate.ts";

const event = (operation: string, target: string | null, run?: string, time = "2025-01-01T00:00:00.000Z") =>
  ({
    time,
    operation,
    target,
    command: "x",
    result: "done",
    user: "ana",
    ...(run === undefined ? {} : { run }),
  }) as OperationEvent;
const none: EventFilter = { targets: null, since: null, all: false };
const shown = (events: readonly OperationEvent[], filter: Partial<EventFilter> = {}) =>
  eventViews(events, { ...none, ...filter }).map(({ operation, target, merges }) => [operation, target, merges]);

describe("what is listed", () => {
  const log = [
    event("layer.merge", "lay-1"), // of an older version, which did not say what for
    event("layer.merge", "lay-2", "1-0"),
    event("instance.stop", "web1", "1-0"),
    event("snapshot.delete", "web1/first", "2-0"),
    event("layer.merge", "lay-3", "2-0"),
    event("layer.merge", "lay-4", "2-0"),
    event("layer.merge", "lay-5", "3-0"), // by doctor
    event("instance.start", "web10", "4-0", "2025-01-02T00:00:00.000Z"),
  ];

  test("is what left the merges to be done, with how many those were", () => {
    expect(shown(log)).toEqual([
      ["layer.merge", "lay-1", 0],
      ["instance.stop", "web1", 1],
      ["snapshot.delete", "web1/first", 2],
      ["layer.merge", "lay-5", 0],
      ["instance.start", "web10", 0],
    ]);
    expect(shown(log, { all: true })).toHaveLength(log.length);
  });

  test("is of one target and what is of it, or since a time", () => {
    expect(shown(log, { targets: ["web1"] }).map(([operation]) => operation)).toEqual([
      "instance.stop",
      "snapshot.delete",
    ]);
    expect(shown(log, { since: new Date("2025-01-01T12:00:00Z") })).toEqual([["instance.start", "web10", 0]]);
  });
});

test("power, settings of things, and refusals are logged, each target by itself; what only looks is not", async () => {
  const on = await estate();
  const before = on.disk.events.length;
  for (const line of [
    "instance pause web1",
    "instance pause web2 nosuch",
    "snapshot set web1/first --description x",
    "instance list",
    "instance resume web1 --dry-run",
    "snapshot create web1 first",
    "snapshot create web1 again",
  ])
    await run(on, line);
  expect(on.disk.events.slice(before)).toMatchObject([
    { operation: "instance.pause", target: "web1", result: "done", duration_ms: 0 },
    { operation: "instance.pause", target: "web2", result: "conflict", message: "instance web2: it is off" },
    { operation: "instance.pause", target: "nosuch", result: "not_found" },
    { operation: "snapshot.set", target: "web1/first", result: "done" },
    { operation: "snapshot.create", target: "web1", result: "conflict" },
    { operation: "snapshot.create", target: "web1/again", result: "done" },
  ]);
  expect(new Set(on.disk.events.slice(before).map(({ run }) => run)).size).toBeGreaterThan(1);
});
