import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { STATE_VERSION } from "../../../src/core/model/state.ts";
import { emptyState } from "../../../src/store/empty-state.ts";
import { makeFolders } from "../../../src/store/folders.ts";
import { type Migrations, migrate } from "../../../src/store/migrations.ts";
import { pathsInStore } from "../../../src/store/paths.ts";
import { stateFile } from "../../../src/store/state-file.ts";
import { keypair } from "./samples.ts";

/** An invented version 0 called flavors "sizes". */
const FROM_ZERO: Migrations = {
  0: ({ sizes, ...rest }) => ({ ...rest, flavors: sizes }),
};

function versionZero(): string {
  const { flavors, ...rest } = emptyState();
  return JSON.stringify({ ...rest, version: 0, sizes: flavors });
}

describe("a state of an older version", () => {
  it("goes to ours step by step", () => {
    const steps: Migrations = {
      1: (older) => ({ ...older, steps: [1] }),
      2: (older) => ({ ...older, steps: [...(older.steps as number[]), 2] }),
    };
    expect(migrate({ version: 1 }, "state.json", steps, 3)).toEqual({ version: 3, steps: [1, 2] });
    expect(migrate({ version: 2, steps: [] }, "state.json", steps, 3)).toEqual({ version: 3, steps: [2] });
  });

  it("has a way from every version that was ever written", () => {
    for (let version = 1; version <= STATE_VERSION; version += 1) {
      expect(() => migrate({ version }, "state.json")).not.toThrow();
    }
  });

  it("is read without being written, stored in our version by the next update, and kept as it was", async () => {
    const home = mkdtempSync(join(tmpdir(), "estrato-migrate-"));
    const paths = pathsInStore(home);
    const file = stateFile({
      paths,
      makeFolders: () => makeFolders(paths, false),
      now: () => new Date(),
      migrations: FROM_ZERO,
    });
    const old = versionZero();
    writeFileSync(paths.stateFile, old);
    expect((await file.read()).flavors).toEqual(emptyState().flavors);
    expect(readFileSync(paths.stateFile, "utf8")).toBe(old);
    await file.update((draft) => {
      draft.keypairs.me = keypair("me");
    });
    expect(JSON.parse(readFileSync(paths.stateFile, "utf8"))).toMatchObject({
      version: STATE_VERSION,
      keypairs: { me: {} },
    });
    expect(readFileSync(join(paths.copiesFolder, "version-0.json"), "utf8")).toBe(old);
    rmSync(home, { recursive: true, force: true });
  });

  it("is damage where there is no way from it", () => {
    expect(() => migrate({ version: 0 }, "state.json")).toThrow(expect.objectContaining({ code: "integrity" }));
  });
});

describe("a state of a newer version", () => {
  it("is refused in a clear line", () => {
    expect(() => migrate({ version: STATE_VERSION + 1 }, "/x/state.json")).toThrow(
      expect.objectContaining({
        code: "host",
        message: `/x/state.json: written by a newer estrato (version ${STATE_VERSION + 1}, this one knows ${STATE_VERSION})`,
        hint: "Upgrade estrato on this host.",
      }),
    );
  });

  it.each([undefined, null, "1", 1.5, -1, Number.NaN])("is not what a version of %s is: that is damage", (version) => {
    expect(() => migrate({ version }, "state.json")).toThrow(expect.objectContaining({ code: "integrity" }));
  });
});
