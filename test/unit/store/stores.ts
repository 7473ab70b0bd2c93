/** The two stores that keep one contract. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { StorePort } from "../../../src/core/ports.ts";
import { openStore } from "../../../src/store/index.ts";
import { fakeStore } from "../../fake/store.ts";

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

function realStore(): StorePort {
  const root = mkdtempSync(join(tmpdir(), "estrato-store-"));
  roots.push(root);
  return openStore({ home: join(root, "home"), systemMode: false });
}

/** For describe.each: a name and what makes a new and empty store. */
export const STORES: readonly [name: string, makeStore: () => StorePort][] = [
  ["fake", () => fakeStore()],
  ["real", realStore],
];
