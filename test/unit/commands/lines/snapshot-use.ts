/** The ways back, and what goes: `snapshot revert`, `unrevert`, `delete` and `prune`. */
import { KEPT, onHost } from "../estate.ts";
import { type NounLines, refusals } from "../verb-lines.ts";
import { reverted } from "./contract.ts";

const NOW_KEPT = "before-revert-20250101-120000";
const LOST = `web1: what its memory held is lost; what its disks held is kept as ${NOW_KEPT}`;
const NAMES = "snapshot list web1 -f value -c name";
const CURRENT = "instance show web1 -f value -c current_snapshot";

export const using: NounLines = {
  revert: {
    well: [
      {
        line: "snapshot revert web1/first",
        json: reverted({ snapshot: "web1/first", kept: NOW_KEPT }),
        notes: [LOST],
        plan: ["qemu-img create", "define", "destroy", "start"],
        after: [CURRENT, "first\n"],
      },
      {
        line: "snapshot revert web1/awake",
        json: reverted({ snapshot: "web1/awake", kept: NOW_KEPT }),
        notes: [LOST],
        plan: ["destroy", "restore"],
        after: [CURRENT, "awake\n"],
      },
      {
        line: "snapshot revert data1/monday",
        json: reverted({ instance: null, volume: "data1", snapshot: "data1/monday", kept: NOW_KEPT }),
        plan: ["qemu-img create"],
      },
      {
        line: "snapshot revert --filter status=shutoff --name first -y",
        json: [reverted({ instance: "web2", snapshot: "web2/first" })],
        plan: ["define"],
      },
      {
        line: "snapshot revert web1/first --discard -y",
        json: reverted({ snapshot: "web1/first", kept: null, kept_id: null }),
        notes: ["web1: what its memory held is lost"],
        plan: ["destroy"],
        after: [NAMES, `first\nupgrade\nawake\n${KEPT}\n`],
      },
    ],
    refused: [
      ...refusals(
        ["snapshot revert --filter status=active", 2, "--filter without --name"],
        ["snapshot revert web1/first --name first", 2, "--name without --filter"],
        ["snapshot revert web1/first --filter status=active --name first -y", 2, "either chooses"],
        ["snapshot revert --filter status=nothing --name first -y", 4, "no instance fits status=nothing"],
        ["snapshot revert --filter status=shutoff --name nosuch -y", 4, "snapshot web2/nosuch: not found"],
        ["snapshot revert nosuch", 4, "snapshot nosuch: not found"],
        ["snapshot revert first", 4, "ambiguous: web1/first, web2/first"],
        ["snapshot revert nosuch --discard", 4, "snapshot nosuch: not found"],
        ["snapshot revert data1/monday", 5, "runs", "instance create web3 --boot-volume data1"],
        [
          "snapshot revert web1/awake",
          6,
          "QEMU",
          (on) => onHost({ capabilities: { ...on.machine.capabilities, qemuVersion: "5.0.0" } })(on),
        ],
      ),
    ],
    asks: [
      {
        line: "snapshot revert web1/first --discard",
        asks: "Revert web1 to first and keep nothing?",
        loses: ["what web1 has written to vda since its last snapshot"],
        after: [NAMES, `first\nupgrade\nawake\n${KEPT}\n`],
      },
      {
        line: "snapshot revert --filter status=shutoff --name first --discard",
        asks: "Revert web2 to first and keep nothing?",
        loses: ["web2"],
        after: ["snapshot list web2 -f value -c name", "first\n"],
      },
    ],
  },

  unrevert: {
    well: [
      {
        line: "snapshot unrevert web1",
        json: reverted({ snapshot: `web1/${KEPT}`, kept: NOW_KEPT }),
        notes: [LOST],
        plan: ["define", "destroy", "start"],
        after: [CURRENT, "awake\n"],
      },
    ],
    refused: refusals(
      ["snapshot unrevert nosuch", 4, "instance nosuch: not found"],
      ["snapshot unrevert web2", 5, "there is no revert to undo"],
      ["snapshot unrevert put-by", 5, "it is shelved"],
      ["snapshot unrevert web1", 5, "", `snapshot delete ${KEPT}`],
    ),
  },

  delete: {
    well: [
      {
        line: "snapshot delete web1/first",
        plan: ["blockcommit", "rm -f", "Frees 64 KiB."],
        after: [NAMES, `upgrade\nawake\n${KEPT}\n`],
      },
      { line: "snapshot delete upgrade", plan: ["Forget the snapshot"], after: [NAMES, `first\nawake\n${KEPT}\n`] },
      {
        line: "snapshot delete data1/monday",
        plan: ["Forget the snapshot"],
        after: ["snapshot list --volume data1", ""],
      },
      {
        line: `snapshot delete web1/first ${KEPT}`,
        plan: ["Forget the snapshot"],
        after: [NAMES, "upgrade\nawake\n"],
      },
    ],
    refused: refusals(
      ["snapshot delete nosuch", 4, "snapshot nosuch: not found"],
      ["snapshot delete first", 4, "ambiguous: web1/first, web2/first"],
      ["snapshot delete web1/first", 5, "it is protected", "snapshot set web1/first --protect"],
      ["snapshot delete web1/first --children -y", 5, "it is protected", "snapshot set upgrade --protect"],
    ),
    asks: [
      {
        line: "snapshot delete web1/first --children",
        asks: "Delete web1/first and the 3 that descend from it?",
        loses: ["snapshot web1/first", "snapshot web1/upgrade", "snapshot web1/awake", `snapshot web1/${KEPT}`],
        after: [NAMES, ""],
      },
    ],
    several: { good: "web1/first", words: "snapshots failed to delete" },
  },

  prune: {
    well: [
      { line: "snapshot prune", plan: [], after: [NAMES, `first\nupgrade\nawake\n${KEPT}\n`] },
      {
        line: "snapshot prune",
        before: (on) => on.clock.advance(24 * 3_600_000),
        notes: [`web1/${KEPT}: had expired, deleted`],
        plan: ["Forget the snapshot", "rm -f"],
        after: [NAMES, "first\nupgrade\nawake\n"],
      },
    ],
    refused: [],
  },
};
