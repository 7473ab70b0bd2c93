import { expect, test } from "vitest";
import type { World } from "../../../src/core/ports.ts";
import { requireQemuMayEnter } from "../../../src/core/qemu-access.ts";

/** A store below folders of this mode; whoever asks as whom QEMU runs is told that he did. */
function worldOf(mode: number, isRoot: boolean): World {
  return {
    store: { paths: { home: "/srv/estrato" } },
    host: {
      isRoot: () => isRoot,
      realPath: async (path: string) => path,
      fileInfo: async () => ({ mode }),
      capabilities: async () => {
        throw new Error("asked");
      },
    },
  } as unknown as World;
}

test("root is asked nothing about QEMU's user where everybody may pass", async () => {
  await expect(requireQemuMayEnter(worldOf(0o755, true))).resolves.toBeUndefined();
  await expect(requireQemuMayEnter(worldOf(0o711, true))).resolves.toBeUndefined();
});

test("who is QEMU's user is asked where a folder is closed, and by anybody else", async () => {
  await expect(requireQemuMayEnter(worldOf(0o750, true))).rejects.toThrow("asked");
  await expect(requireQemuMayEnter(worldOf(0o755, false))).rejects.toThrow("asked");
});
