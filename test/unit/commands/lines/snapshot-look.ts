/** What only looks: `snapshot list`, `tree` and `show`. */
import { expect } from "vitest";
import { KEPT } from "../estate.ts";
import { type NounLines, refusals } from "../verb-lines.ts";
import { snapshot, snapshotDetail } from "./contract.ts";

const named = (...names: string[]) => names.map((name) => snapshot({ name }));

const node = (id: number, name: string, ...children: unknown[]) => ({
  id: `snap-${String(id).padStart(17, "0")}`,
  name,
  created_at: expect.stringMatching(/^2025-01-01T0/),
  consistency: expect.any(String),
  memory: name === "awake",
  automatic: name === KEPT,
  protected: false,
  exclusive_bytes: expect.any(Number),
  children,
});

export const looking: NounLines = {
  list: {
    well: [
      { line: "snapshot list", json: named("first", "first", "upgrade", "awake", KEPT, "monday") },
      { line: "snapshot list web1", json: named("first", "upgrade", "awake", KEPT) },
      { line: "snapshot list --volume data1", json: named("monday") },
      { line: "snapshot list --owner self --filter instance=web2", json: named("first") },
      { line: "snapshot list --owner bea", json: [] },
      { line: "snapshot list --sort size_bytes:desc --limit 1 --filter instance=web1", json: named("awake") },
      { line: "snapshot list legacy", json: [] },
    ],
    refused: refusals(
      ["snapshot list nosuch", 4, "instance nosuch: not found"],
      ["snapshot list --volume nosuch", 4, "volume nosuch: not found"],
      ["snapshot list --sort nosuch", 2, 'column "nosuch"'],
      ["snapshot list --filter status", 2, "KEY=VALUE"],
    ),
  },

  tree: {
    well: [
      {
        line: "snapshot tree web1",
        prints: new RegExp(
          [
            "^web1",
            "└── first +filesystem +2025-\\d\\d-\\d\\d \\d\\d:50 +frees 64 KiB",
            " {4}└── upgrade +\\* +filesystem .* frees 0 B",
            " {8}└── awake +M +memory .* frees 1.1 MiB",
            ` {12}└── ${KEPT} +A +crash .* frees 64 KiB\\n$`,
          ].join("\\n"),
        ),
        json: {
          instance: "web1",
          current: "snap-00000000000000003",
          roots: [node(1, "first", node(3, "upgrade", node(4, "awake", node(5, KEPT))))],
        },
      },
      {
        line: "snapshot tree legacy",
        prints: "legacy\n",
        json: { instance: "legacy", current: null, roots: [] },
      },
    ],
    refused: refusals(["snapshot tree nosuch", 4, "instance nosuch: not found"]),
  },

  show: {
    well: [
      {
        line: "snapshot show web1/awake",
        json: snapshotDetail({
          id: "snap-00000000000000004",
          memory: true,
          restorable: true,
          restorable_reason: null,
          requires: { qemu_version: "7.2.22", machine: "q35" },
        }),
      },
      { line: "snapshot show snap-00000000000000001", json: snapshotDetail({ name: "first", description: "before" }) },
      { line: "snapshot show upgrade", json: snapshotDetail({ name: "upgrade", current: true }) },
      {
        line: "snapshot show data1/monday",
        json: snapshotDetail({ type: "volume", instance: null, instance_id: null, restorable: true }),
      },
      {
        line: "snapshot show web1/first web2/first",
        json: [snapshotDetail({ instance: "web1" }), snapshotDetail({ instance: "web2" })],
      },
    ],
    refused: refusals(
      ["snapshot show nosuch", 4, "snapshot nosuch: not found"],
      ["snapshot show first", 4, "ambiguous: web1/first, web2/first"],
    ),
    several: { good: "web1/first", words: "snapshots failed to show" },
  },
};
