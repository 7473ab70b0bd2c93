/** What comes into being: `snapshot create`; and what is said of it: `snapshot set`. */

import { expect } from "vitest";
import { befallen, busy, KEPT, onHost } from "../estate.ts";
import { type NounLines, refusals } from "../verb-lines.ts";
import { snapshot } from "./contract.ts";

const NAMES = "snapshot list web1 -f value -c name";

export const taking: NounLines = {
  create: {
    well: [
      {
        line: "snapshot create web1 first --if-absent",
        json: snapshot({ name: "first", instance: "web1" }),
        notes: ["It is there already, and left as it is."],
        plan: [],
      },
      {
        line: "snapshot create web1 risky --description before --property k=v --expire 7d --protect --quiesce require",
        json: snapshot({
          name: "risky",
          type: "instance",
          status: "available",
          instance: "web1",
          parent: "snap-00000000000000003",
          current: true,
          memory: false,
          consistency: "filesystem",
          size_bytes: 1_048_576,
          exclusive_bytes: 0,
          automatic: false,
          owner: "ana",
          created_at: "2025-01-01T12:00:00.000Z",
          expires_at: "2025-01-08T12:00:00.000Z",
          protected: true,
          description: "before",
          properties: { k: "v" },
          disks: [{ device: "vda", volume: "vol-00000000000000001", size_bytes: 1_048_576 }],
          excluded: [],
        }),
        plan: ["qemu-img create", "chmod 400", "snapshot-create-as", "--quiesce", "define"],
        after: [NAMES, `first\nupgrade\nawake\n${KEPT}\nrisky\n`],
      },
      {
        line: "snapshot create web1",
        json: snapshot({ name: "20250101-120000", expires_at: null, protected: false, description: null }),
        plan: ["snapshot-create-as"],
      },
      {
        line: "snapshot create web1 awake-too --memory",
        json: snapshot({ name: "awake-too", memory: true, consistency: "memory", size_bytes: 2_097_152 }),
        plan: ["snapshot-create-as", "--memspec"],
      },
      {
        line: "snapshot create --filter properties.role=front --name clean",
        before: "instance set web2 --property role=front",
        json: [snapshot({ name: "clean", instance: "web1" }), snapshot({ name: "clean", instance: "web2" })],
        plan: ["snapshot-create-as", "define"],
      },
      {
        line: "snapshot create web2 --name off",
        json: snapshot({ name: "off", instance: "web2" }),
        plan: ["define"],
      },
      {
        line: "snapshot create web2 off",
        json: snapshot({ name: "off", instance: "web2", consistency: "offline", properties: {} }),
        plan: ["qemu-img create", "define"],
      },
      {
        line: "snapshot create --volume data1 tuesday",
        json: snapshot({
          name: "tuesday",
          type: "volume",
          instance: null,
          instance_id: null,
          volume: "vol-00000000000000005",
          parent: "snap-00000000000000006",
        }),
        plan: ["qemu-img create"],
      },
      {
        line: "snapshot create web2 half --exclude-disk vdb",
        json: snapshot({ name: "half", disks: [expect.objectContaining({ device: "vda" })], excluded: ["vdb"] }),
        plan: ["qemu-img create"],
      },
      {
        line: "snapshot create legacy found",
        json: snapshot({ name: "found", instance: "legacy", parent: null }),
        notes: ['legacy: adopted; its disks stay where they are ("estrato instance release legacy" undoes this)'],
        plan: ["snapshot-create-as"],
      },
    ],
    refused: [
      ...refusals(
        ["snapshot create web1 a/b", 2, 'it holds a "/"'],
        ["snapshot create web1 x --expire soon", 2, "not a duration"],
        ["snapshot create web1 x --property k", 2, "KEY=VALUE"],
        ["snapshot create web1 x --quiesce often", 2, "Give one of try, require, off"],
        ["snapshot create web1 x --exclude-disk vdq", 2, "it has no disk vdq"],
        ["snapshot create web1 x --memory --exclude-disk vda", 2, "memory belongs to all of its disks"],
        ["snapshot create web1 x --memory --quiesce require", 2, "--memory and --quiesce require"],
        ["snapshot create --volume data1 x --memory", 2, "--volume and --memory"],
        ["snapshot create --volume data1 x --exclude-disk vda", 2, "--volume and --exclude-disk"],
        ["snapshot create --volume data1 x y", 2, "one word too many"],
        ["snapshot create web1 x --name y", 2, '--name and "x"'],
        ["snapshot create web1 --filter status=active", 2, "either chooses"],
        ["snapshot create --volume data1 --filter status=active", 2, "--filter and --volume"],
        ["snapshot create --filter status=active --name x --if-absent", 2, "--if-absent and --filter"],
        ["snapshot create --filter status=nothing --name x", 4, "no instance fits status=nothing"],
        ["snapshot create nosuch", 4, "instance nosuch: not found"],
        ["snapshot create --volume nosuch", 4, "volume nosuch: not found"],
        ["snapshot create web1 first", 5, "the name is taken"],
        ["snapshot create --volume data1 monday", 5, "the name is taken"],
        ["snapshot create web2 x --memory", 5, "it is off and has no memory to save"],
        ["snapshot create put-by x", 5, "it is shelved"],
        ["snapshot create web1 x", 5, "libvirt", befallen("web1", { snapshots: ["theirs"] })],
        ["snapshot create web1 x", 5, "instance web1: another operation is in progress", busy("web1")],
        ["snapshot create web1 x --quiesce require", 6, "agent", befallen("web1", { agent: false })],
        ["snapshot create web1 x", 6, "space", onHost({ freeBytes: 1 })],
        ["snapshot create web2 x", 9, "its QEMU runs", befallen("web2", { stray: 7 })],
      ),
    ],
  },

  set: {
    well: [
      {
        line: "snapshot set web1/first --name earliest --description none --property new=1 --no-property k --protect --expire 1d",
        json: snapshot({
          id: "snap-00000000000000001",
          name: "earliest",
          description: "none",
          properties: { new: "1" },
          protected: true,
          expires_at: "2025-01-02T12:00:00.000Z",
        }),
        plan: ["1. "],
        after: [NAMES, `earliest\nupgrade\nawake\n${KEPT}\n`],
      },
      {
        line: "snapshot set web1/first --unprotect --no-expire",
        before: "snapshot set web1/first --protect --expire 1d",
        json: snapshot({ protected: false, expires_at: null }),
        plan: ["1. "],
      },
      {
        line: "snapshot set data1/monday --protect",
        json: snapshot({ type: "volume", protected: true }),
        plan: ["1. "],
      },
    ],
    refused: refusals(
      ["snapshot set web1/first --protect --unprotect", 2, "--protect and --unprotect exclude each other"],
      ["snapshot set web1/first --expire 1d --no-expire", 2, "--expire and --no-expire exclude each other"],
      ["snapshot set web1/first --name -x", 2, 'it begins with "-"'],
      ["snapshot set nosuch --protect", 4, "snapshot nosuch: not found"],
      ["snapshot set first --protect", 4, "ambiguous: web1/first, web2/first"],
      ["snapshot set web1/first --name upgrade", 5, "the name upgrade is taken"],
    ),
  },
};
