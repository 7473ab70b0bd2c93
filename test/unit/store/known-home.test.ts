import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openStore } from "../../../src/store/index.ts";
import { openAtHome } from "../../../src/store/known-home.ts";

describe("a store under another name", () => {
  /** A store that was used, its layers recorded below its first name. */
  async function used(binding: boolean) {
    const root = mkdtempSync(join(tmpdir(), "estrato-home-"));
    onTestFinished(() => rmSync(root, { recursive: true, force: true }));
    const home = join(root, "first");
    await openStore({ home, systemMode: false }).update((draft) => {
      if (binding) draft.binding = { machine: "m", machineName: "alpha", home, uri: "qemu:///system", user: null };
      const sizes = { format: "qcow2" as const, sizeBytes: 1, frozen: false, createdAt: "2025-01-01T00:00:00.000Z" };
      const file = join(home, "layers/lay-0000000000000000a.qcow2");
      draft.layers.a = { id: "a", parent: null, file, ...sizes, foreign: null, secret: null, busy: null };
    });
    const at = (name: string) => openAtHome((each) => openStore({ home: each, systemMode: false }), join(root, name));
    return { root, home, at };
  }

  it.each([true, false])("is opened under the one that it knows (bound: %s)", async (binding) => {
    const { root, home, at } = await used(binding);
    symlinkSync(home, join(root, "link"));
    expect((await at("link")).paths.home).toBe(home);
    expect((await at("first")).paths.home).toBe(home);
    expect((await at("none")).paths.home).toBe(join(root, "none"));
  });

  it.each([true, false])("is refused where it is a copy (bound: %s)", async (binding) => {
    const { root, home, at } = await used(binding);
    cpSync(home, join(root, "copy"), { recursive: true });
    await expect(at("copy")).rejects.toMatchObject({
      code: "host",
      message: expect.stringContaining(`it is the store of ${home}`),
    });
  });
});
