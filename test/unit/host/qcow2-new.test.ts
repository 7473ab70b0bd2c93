/** A new head that we write ourselves is the one that qemu-img would make. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { qcow2Info } from "../../../src/host/qcow2-info.ts";
import { emptyOverlay } from "../../../src/host/qcow2-new.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));
const qemuImg = (...words: readonly string[]) => execFileSync("qemu-img", words, { encoding: "utf8" });

/** Sizes that are no whole sectors, that end one table, that need more than a cluster of them; the largest of all. */
const SIZES = [1, 1025, 2 ** 28, 2 ** 29, 2 ** 29 + 512, 2 ** 42, 2 ** 42 + 512, 10 * 2 ** 40, 2 ** 51];

test("of every size, on files of either format, and under any name", async () => {
  const names = { qcow2: "ein Büchlein, b'.qcow2", raw: "plain.img" };
  for (const format of ["qcow2", "raw"] as const) {
    const backing = { path: join(folder, names[format]), format };
    qemuImg("create", "-q", "-f", format, backing.path, "1M");
    for (const sizeBytes of SIZES) {
      const [ours, theirs] = [join(folder, "ours.qcow2"), join(folder, "theirs.qcow2")];
      const bytes = emptyOverlay({ backing, sizeBytes });
      writeFileSync(ours, bytes ?? "");
      const options = "compat=1.1,cluster_size=65536,lazy_refcounts=off";
      const base = ["-b", backing.path, "-F", format];
      qemuImg("create", "-q", "-f", "qcow2", "-o", options, ...base, theirs, String(sizeBytes));
      const told = (path: string) => {
        const {
          filename: _,
          "actual-size": __,
          children: ___,
          ...info
        } = JSON.parse(qemuImg("info", "--output=json", path));
        return info;
      };
      expect(told(ours), `${format} ${sizeBytes}`).toEqual(told(theirs));
      expect(qemuImg("check", ours)).toContain("No errors were found");
      expect(await qcow2Info(ours)).toEqual({
        ...(await qcow2Info(theirs)),
        path: ours,
        actualSizeBytes: expect.any(Number),
      });
      if (/version 7\.2/.test(qemuImg("--version")))
        expect(bytes?.equals(readFileSync(theirs)), `${format} ${sizeBytes}`).toBe(true);
    }
  }
});

test("what QEMU would refuse is left to it", () => {
  const backing = { path: `/${"x".repeat(1023)}`, format: "qcow2" };
  expect(emptyOverlay({ backing, sizeBytes: 1024 })).toBeNull();
  expect(emptyOverlay({ backing: { path: "/a", format: "qcow2" }, sizeBytes: 2 ** 52 })).toBeNull();
  expect(emptyOverlay({ backing: { path: "/a", format: "qcow2" }, sizeBytes: 0 })).toBeNull();
});
