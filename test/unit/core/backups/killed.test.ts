import { describe, expect, test } from "vitest";
import { bootSound } from "../../../../src/core/backups/boot.ts";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { setProtected } from "../../../../src/core/backups/protect.ts";
import { restoreInPlace, restoreVolume } from "../../../../src/core/backups/restore-to.ts";
import type { Verified } from "../../../../src/core/backups/verify.ts";
import { endEverywhere } from "../crashes.ts";
import { ENDINGS } from "../ends.ts";
import { type Bed, backupsOf, command, FIRST, TARGET, write } from "../world.ts";
import { backup, night, withTarget } from "./world.ts";

const TWO = [{ content: { 0: "boot" } }, { content: { 0: "data" }, format: "raw" }] as const;

/** FULL ← I1 ← I2, of two disks, with a write before each. */
async function withChain(): Promise<Bed> {
  const on = await withTarget({ disks: TWO });
  await night(on);
  for (const word of ["one", "two"]) {
    write(on, 2, word);
    write(on, 3, word, "vdb");
    await night(on);
  }
  write(on, 2, "three");
  return on;
}

const KEY = { passphraseFile: "/key" };

/** FULL ← I1, encrypted. */
async function withEncrypted(): Promise<Bed> {
  const on = await withTarget({ disks: TWO });
  command(on).host.addFile("/key", { format: "raw", text: "sesame\n" });
  for (const word of ["one", "two"]) {
    write(on, 2, word);
    await night(on, KEY);
  }
  write(on, 2, "three");
  return on;
}

const BOOT = { timeoutMs: 1_000, consoleText: null, screenshot: null, passphraseFile: null } as const;

/** What the guest does to its disks meanwhile is the snapshot's affair, whose own suite has it all. */
const meanwhile = ["nothing", "writes and stops"] as const;

describe.each(ENDINGS)("backups, %s", { timeout: 600_000 }, (_, ending) => {
  test.each([true, false])("a full one (running: %s)", async (running) => {
    await endEverywhere(ending, {
      prepare: () => withTarget({ running, disks: TWO }),
      run: (world) => backup(world),
      meanwhile,
      does: ["convert", "move-folder"],
    });
  });

  test("an incremental one, quiesced and compressed", async () => {
    await endEverywhere(ending, {
      prepare: withChain,
      meanwhile,
      run: (world) => backup(world, { quiesce: "try", compress: true }),
      does: ["convert-delta"],
    });
  });

  test("the rotation after it, which merges the oldest into the next", async () => {
    await endEverywhere(ending, {
      prepare: withChain,
      meanwhile,
      run: (world) => backup(world, {}, 2),
      does: ["convert-delta", "commit", "discard-folder"],
    });
  });

  test.each([0, 1, 2])("deleting number %i of a chain", async (index) => {
    await endEverywhere(ending, {
      prepare: withChain,
      meanwhile,
      run: (world) => deleteBackup(world, [TARGET], ids(world)[index] ?? "", null),
      does: ["discard-folder"],
    });
  });

  test("protecting one", async () => {
    await endEverywhere(ending, {
      prepare: async () => {
        const on = await withTarget();
        await night(on, { name: "good" });
        write(on, 2, "later");
        return on;
      },
      run: (world) => setProtected(world, [TARGET], "good", true),
    });
  });

  test("restoring one disk to a volume", async () => {
    await endEverywhere(ending, {
      prepare: withChain,
      meanwhile,
      run: (world) =>
        restoreVolume(
          world,
          { targets: [TARGET], backup: ids(world)[1] ?? "", disks: ["vdb"], passphraseFile: null },
          "old",
        ),
      does: ["convert"],
    });
  });

  test("an encrypted one, and the merge that its rotation brings", async () => {
    await endEverywhere(ending, {
      prepare: withEncrypted,
      meanwhile,
      run: (world) => backup(world, KEY, 2),
      does: ["define-secret", "convert-delta", "commit", "undefine-secret"],
    });
  });

  test("booting one", async () => {
    await endEverywhere(ending, {
      prepare: withChain,
      meanwhile,
      run: (world) => bootSound(world, [sound(ids(world)[1] ?? "")], BOOT),
      does: ["create-disk", "define", "start", "undefine"],
    });
  });

  test("booting an encrypted one", async () => {
    await endEverywhere(ending, {
      prepare: withEncrypted,
      meanwhile,
      run: (world) => bootSound(world, [sound(ids(world)[1] ?? "")], { ...BOOT, ...KEY }),
      does: ["define-secret", "create-disk", "start", "undefine", "undefine-secret"],
    });
  });

  test("restoring in place", async () => {
    await endEverywhere(ending, {
      prepare: async () => {
        const on = await withTarget();
        await night(on);
        write(on, 2, "later");
        expect(backupsOf(on)).toHaveLength(1);
        return on;
      },
      run: (world) =>
        restoreInPlace(
          world,
          { targets: [TARGET], backup: ids(world)[0] ?? "", disks: [], passphraseFile: null },
          { keepMs: 3_600_000 },
        ),
      does: ["convert", "define"],
      forward: { vda: FIRST },
      keeps: true,
    });
  });
});

function sound(id: string): Verified {
  const whole = { status: "ok", problems: [], read_bytes: 0, booted_ms: null } as const;
  return { id, name: null, instance: "web1", target: TARGET, ...whole };
}

function ids(world: {
  readonly host: { readonly machine: { readonly files: ReadonlyMap<string, unknown> } };
}): string[] {
  return [...world.host.machine.files.keys()].flatMap((path) => /(bak-\w{17})\/manifest/.exec(path)?.[1] ?? []).sort();
}
