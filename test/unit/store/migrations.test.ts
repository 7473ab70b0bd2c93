import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { STATE_VERSION } from "../../../src/core/model/state.ts";
import { emptyState } from "../../../src/store/empty-state.ts";
import { makeFolders } from "../../../src/store/folders.ts";
import { MIGRATIONS, type Migrations, migrate } from "../../../src/store/migrations.ts";
import { pathsInStore } from "../../../src/store/paths.ts";
import { stateFile } from "../../../src/store/state-file.ts";
import { parseState } from "../../../src/store/state-text.ts";
import { EXIT_CODES } from "../../../src/ui/errors.ts";
import { keypair } from "./samples.ts";

/** An invented version 0 called flavors "sizes". */
const FROM_ZERO: Migrations = {
  ...MIGRATIONS,
  0: ({ sizes, ...rest }) => ({ ...rest, flavors: sizes }),
};

/** States as they were written, the first of each shape. */
const RECORDED = join(import.meta.dirname, "recorded");

function stored(text: string) {
  const home = mkdtempSync(join(tmpdir(), "estrato-migrate-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const paths = pathsInStore(home);
  const file = stateFile({ paths, makeFolders: () => makeFolders(paths, false), now: () => new Date() });
  writeFileSync(paths.stateFile, text);
  return { paths, file, now: () => readFileSync(paths.stateFile, "utf8") };
}

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

  it.each(readdirSync(RECORDED))("is read as it was recorded and keeps all that it said: %s", async (name) => {
    const text = readFileSync(join(RECORDED, name), "utf8");
    const { file, now } = stored(text);
    const state = await file.read();
    expect(state).toMatchObject({ ...JSON.parse(text), version: STATE_VERSION });
    expect(now()).toBe(text); // whoever only reads writes nothing
    await file.update((draft) => {
      draft.keypairs.other = keypair("other");
    });
    const { other: _, ...keypairs } = (await file.read()).keypairs;
    expect(JSON.parse(now())).toMatchObject({ ...JSON.parse(text), version: STATE_VERSION });
    expect(structuredClone({ ...(await file.read()), keypairs, writes: undefined })).toEqual(structuredClone(state));
  });

  it("of the first shape gets what came since", () => {
    const first = JSON.parse(readFileSync(join(RECORDED, "state-1-first.json"), "utf8"));
    const { layers, volumes, instances, snapshots, images, ...rest } = parseState(JSON.stringify(first), "state.json");
    expect(rest).toMatchObject({ bookmarks: {}, storeId: null, targets: {}, schedules: {} });
    for (const layer of Object.values(layers)) expect(layer.busy).toBeNull();
    for (const volume of Object.values(volumes)) expect(volume.uefi).toBe(false);
    for (const instance of Object.values(instances)) expect(instance.shelved).toBeNull();
    for (const image of Object.values(images)) expect(image).toMatchObject({ tpm: null, uefi: false });
    for (const snapshot of Object.values(snapshots)) {
      const memory = { paused: false, definition: null, qemuVersion: null, machine: null };
      expect(snapshot).toMatchObject({ tpm: null, uefi: false, memory });
    }
  });

  it("of before there were bindings is nobody's yet", () => {
    const second = readFileSync(join(RECORDED, "state-2.json"), "utf8");
    expect(parseState(second, "state.json").binding).toBeNull();
  });

  it("loses nothing of what it had beyond the first shape", () => {
    const layers = { a: { busy: "op-1" } };
    const memory = { paused: true, definition: "a.xml" };
    const older = { version: 1, layers, snapshots: { s: { tpm: "t", uefi: true, memory } }, storeId: "s" };
    expect(migrate(structuredClone(older), "state.json")).toMatchObject({ ...older, version: STATE_VERSION });
  });

  it("of version 2: a schedule keeps the snapshots that it knew by its name", () => {
    const snapshot = (name: string, change: object = {}) => ({
      instance: "web1",
      automatic: false,
      properties: { schedule: name },
      ...change,
    });
    const snapshots = {
      own: snapshot("nightly"),
      others: snapshot("nightly", { instance: "web2" }),
      kept: snapshot("nightly", { automatic: true }),
      forgotten: snapshot("weekly"),
    };
    const schedules = { "sch-1": { id: "sch-1", name: "nightly", instance: "web1" } };
    const state = migrate({ version: 2, snapshots, schedules }, "state.json");
    expect(state.snapshots).toEqual({ ...snapshots, own: { ...snapshots.own, schedule: "sch-1" } });
  });

  it("of version 4: an instance keeps the layers of its image, where that is still there", () => {
    const disks = [{ device: "vda", layer: "lay-1", sizeBytes: 1 }];
    const image = { id: "img-1", name: "golden", disks, uefi: true, tpm: "img-1.tpm", owner: "ana" };
    const instances = { a: { image: "img-1" }, b: { image: "img-2" }, c: { image: null } };
    const state = migrate({ version: 4, images: { "img-1": image }, instances }, "state.json");
    const base = { image: "img-1", name: "golden", disks, uefi: true, tpm: true };
    expect(state.instances).toEqual({ ...instances, a: { image: "img-1", base } });
  });

  it("of version 3: what a schedule takes was not verified", () => {
    const third = parseState(readFileSync(join(RECORDED, "state-3.json"), "utf8"), "state.json");
    expect(Object.values(third.schedules).map(({ task }) => task)).toMatchObject([{ kind: "backup", verify: null }]);
  });

  it("that lacks a field of its own version is damaged: no default hides it", () => {
    const { storeId: _, ...rest } = emptyState();
    expect(() => parseState(JSON.stringify(rest), "state.json")).toThrow(
      expect.objectContaining({ code: "integrity", message: expect.stringContaining("storeId") }),
    );
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

  it("is refused by whoever reads, writes or repairs, and left as it is", async () => {
    const { file, now } = stored(JSON.stringify({ ...emptyState(), version: STATE_VERSION + 1, further: {} }));
    const text = now();
    const refusal = { code: "host", message: expect.stringContaining("written by a newer estrato") };
    await expect(file.read()).rejects.toMatchObject(refusal);
    await expect(file.update((draft) => void delete draft.flavors.tiny)).rejects.toMatchObject(refusal);
    await expect(file.restoreLastGood()).rejects.toMatchObject(refusal);
    expect(now()).toBe(text);
    expect(EXIT_CODES.host).toBe(6);
  });

  it.each([undefined, null, "1", 1.5, -1, Number.NaN])("is not what a version of %s is: that is damage", (version) => {
    expect(() => migrate({ version }, "state.json")).toThrow(expect.objectContaining({ code: "integrity" }));
  });
});
