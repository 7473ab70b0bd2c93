/** The two stores that keep one contract. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { StorePort } from "../../../src/core/ports.ts";
import { openStore } from "../../../src/store/index.ts";
import { fakeDisk, fakeStore } from "../../fake/store.ts";

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

function realStore(): StorePort {
  const root = mkdtempSync(join(tmpdir(), "estrato-store-"));
  roots.push(root);
  return openStore({ home: join(root, "home"), systemMode: false });
}

/** A file that is in no store. */
const outside = mkdtempSync(join(tmpdir(), "estrato-shared-"));
roots.push(outside);
export const SHARED = join(outside, "marker.json");
writeFileSync(SHARED, "{}");

const unmade = () => ({ ...fakeDisk(), isMade: false });

function fakeStores(): [StorePort, StorePort] {
  const disk = unmade();
  return [fakeStore({ disk }), fakeStore({ disk: { ...unmade(), fileLocks: disk.fileLocks } })];
}

/** For describe.each: a name, what makes a new and empty store, and two of them on one machine. */
export const STORES: readonly [name: string, makeStore: () => StorePort, makeStores: () => [StorePort, StorePort]][] = [
  ["fake", () => fakeStore({ disk: unmade() }), fakeStores],
  ["real", realStore, () => [realStore(), realStore()]],
];
