import { mkdir, mkdtemp, readFile, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { moveFile } from "../../../src/host/files.ts";
import { holdFile } from "../../../src/host/held-file.ts";
import { failure } from "../../../src/host/process-failure.ts";
import { inspectUntrusted } from "../../../src/host/untrusted.ts";

let folder = "";
const at = (name: string) => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "estrato-named-"));
  await writeFile(at("new"), "new");
});
afterEach(() => rm(folder, { recursive: true }));

describe("giving a finished file its name", () => {
  test("replaces nothing that is there", async () => {
    await writeFile(at("old"), "old");
    await expect(moveFile(at("new"), at("old"), false)).rejects.toMatchObject({ code: "conflict" });
    expect(await readFile(at("old"), "utf8")).toBe("old");
    await moveFile(at("new"), at("free"), false);
    expect(await readFile(at("free"), "utf8")).toBe("new");
    await expect(readFile(at("new"))).rejects.toThrow("ENOENT");
  });

  test("replaces a regular file where that is said", async () => {
    await writeFile(at("old"), "old");
    await moveFile(at("new"), at("old"), true);
    expect(await readFile(at("old"), "utf8")).toBe("new");
  });

  test("never replaces a folder or a link, whatever is said", async () => {
    await mkdir(at("folder"));
    await symlink(at("elsewhere"), at("link"));
    for (const name of ["folder", "link"]) {
      await expect(moveFile(at("new"), at(name), true)).rejects.toMatchObject({ code: "conflict" });
    }
    expect(await readFile(at("new"), "utf8")).toBe("new");
  });
});

describe("a held file", () => {
  test("stays the same file when another gets its name", async () => {
    const held = await holdFile(at("new"));
    await writeFile(at("evil"), "evil");
    await rename(at("evil"), at("new"));
    expect(await readFile(held.path, "utf8")).toBe("new");
    await held.close();
  });

  test("has another stamp once it was written, though its owner sets its time back", async () => {
    const held = await holdFile(at("new"));
    const before = await held.stamp();
    expect(await held.stamp()).toBe(before);
    await writeFile(at("new"), "old");
    await utimes(at("new"), 0, 0);
    expect(await held.stamp()).not.toBe(before);
    await held.close();
  });

  test("is called by its name, whatever is wrong with it, as long as it is held", async () => {
    const held = await holdFile(at("new"));
    const why = { message: expect.stringMatching(/^new: /) };
    await expect(inspectUntrusted(held.path, "qcow2")).rejects.toMatchObject(why);
    const child = { program: "qemu-img", args: ["convert", held.path, at("to")] };
    const stderr = `qemu-img: Could not open '${held.path}': Permission denied, not ${held.path}0`;
    const message = `qemu-img convert: Could not open '${at("new")}': Permission denied, not ${held.path}0`;
    expect(failure(child, { exit: 1, stderr }).message).toBe(message);
    const again = await holdFile(held.path);
    await expect(inspectUntrusted(again.path, "qcow2")).rejects.toMatchObject(why);
    await again.close();
    await held.close();
    expect(failure(child, { exit: 1, stderr }).message).not.toContain(at("new"));
  });

  test("must be there", async () => {
    await expect(holdFile(at("gone"))).rejects.toMatchObject({ code: "not_found" });
  });
});
