/** What headers name as the file below: others wrote them. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { chainReader } from "../../../src/core/named-files.ts";
import type { World } from "../../../src/core/ports.ts";
import { imageChain } from "../../../src/host/image-chain.ts";
import { lastWords } from "../../../src/host/process-failure.ts";
import { EXTENSION } from "../../../src/host/qcow2-header.ts";
import { qcow2Info } from "../../../src/host/qcow2-info.ts";
import { parseInfo } from "../../../src/host/qemu-img-output.ts";
import { qcow2 } from "../../torture/fuzz/images.ts";

const folder = mkdtempSync(join(tmpdir(), "estrato-chain-"));
afterAll(() => rmSync(folder, { recursive: true }));
const top = join(folder, "top.qcow2");
const chainOn = (backing: string) => {
  writeFileSync(top, qcow2({ backing }));
  return imageChain(top, "qcow2");
};
const paths = async (backing: string) =>
  (await chainOn(backing)).map(({ path, identity }) => [path, identity !== null]);

test("a folder, or a device that acts when it is opened, is no image, and is not opened", async () => {
  mkdirSync(join(folder, "below"));
  for (const name of ["below", "/dev/null"])
    await expect(chainOn(name), name).rejects.toMatchObject({
      code: "host",
      message: `${name === "below" ? join(folder, name) : name}: it is neither a file nor a disk`,
    });
});

test("a name ends at its first NUL, as it does for QEMU", async () => {
  const base = join(folder, "base.qcow2");
  writeFileSync(base, qcow2());
  expect(await paths("base.qcow2\0/../other")).toEqual([
    [top, true],
    [base, true],
  ]);
});

test("the name may stand right behind the last extension, as QEMU wrote it before 0.15", async () => {
  const [old, base] = [qcow2({ version: 2, backing: "x" }), join(folder, "base.qcow2")];
  writeFileSync(base, qcow2());
  old.fill(0, 72, 200);
  old.writeUInt32BE(EXTENSION.backingFormat, 72);
  old.writeUInt32BE("qcow2".length, 76);
  old.write("qcow2", 80);
  old.write(base, 88);
  old.writeBigUInt64BE(88n, 8);
  old.writeUInt32BE(base.length, 16);
  writeFileSync(top, old);
  expect((await imageChain(top, "qcow2")).map(({ path, format, fault }) => [path, format, fault])).toEqual([
    [top, "qcow2", null],
    [base, "qcow2", null],
  ]);
  old.writeUInt32BE(9, 76);
  writeFileSync(top, old);
  expect((await imageChain(top, "qcow2"))[0]?.fault).toContain("a header extension reaches beyond its place");
});

test("no file has a name with a NUL in it", async () => {
  expect(await paths('json:{"filename":"/a\\u0000b"}')).toEqual([
    [top, true],
    ["/a\0b", false],
  ]);
});

test("behind a link to a folder, .. leads above what the link leads to", async () => {
  for (const place of ["pool/a/disks", "pool/a/templates", "vm/templates"])
    mkdirSync(join(folder, place), { recursive: true });
  symlinkSync("../pool/a/disks", join(folder, "vm/disks"));
  const real = join(realpathSync(folder), "pool/a/templates/base.qcow2");
  const disk = join(folder, "vm/disks/web.qcow2");
  writeFileSync(real, qcow2());
  const lexically = join(folder, "vm/templates/base.qcow2");
  for (const isThere of [false, true]) {
    if (isThere) writeFileSync(lexically, qcow2()); // another's
    for (const backing of ["../templates/base.qcow2", join(folder, "vm/disks").concat("/../templates/base.qcow2")]) {
      writeFileSync(disk, qcow2({ backing }));
      expect((await imageChain(disk, "qcow2")).map(({ path }) => path)).toEqual([disk, real]);
      expect((await qcow2Info(disk))?.backing).toBe(real);
      const said = { format: "qcow2", "virtual-size": 1, "full-backing-filename": `${folder}/vm/disks/${backing}` };
      if (!backing.startsWith("/")) expect(parseInfo(JSON.stringify(said), disk).backing).toBe(real);
    }
  }
  // Where it makes no difference a file has the name that people gave it
  expect(await paths("vm/../base.qcow2")).toEqual([
    [top, true],
    [join(folder, "base.qcow2"), true],
  ]);
  rmSync(real);
  writeFileSync(disk, qcow2({ backing: "../templates/base.qcow2" }));
  expect((await imageChain(disk, "qcow2")).map(({ path, identity }) => [path, identity !== null])).toEqual([
    [disk, true],
    [real, false],
  ]);
});

test("what a link names is looked for beside the link, also behind ..", async () => {
  for (const place of ["linked/e/sub", "linked/d", "linked/f"]) mkdirSync(join(folder, place), { recursive: true });
  symlinkSync("../e/sub", join(folder, "linked/d/link"));
  symlinkSync("../f/real.qcow2", join(folder, "linked/e/base.qcow2"));
  writeFileSync(join(folder, "linked/f/real.qcow2"), qcow2({ backing: "root.qcow2" }));
  for (const root of ["e", "f"]) writeFileSync(join(folder, "linked", root, "root.qcow2"), qcow2());
  const disk = join(folder, "linked/d/link/web.qcow2");
  writeFileSync(disk, qcow2({ backing: "../base.qcow2" }));
  const real = join(realpathSync(folder), "linked/e");
  const chain = [disk, join(real, "base.qcow2"), join(real, "root.qcow2")]; // as QEMU opens them (measured)
  expect((await imageChain(disk, "qcow2")).map(({ path }) => path)).toEqual(chain);
  // The same where two slashes stand in the name of what is not there
  writeFileSync(disk, qcow2({ backing: "..//away.qcow2" }));
  expect((await imageChain(disk, "qcow2")).map(({ path }) => path)).toEqual([disk, join(real, "away.qcow2")]);
});

test("words of a child hold no mark that turns what follows", () => {
  expect(lastWords("error: a\u202eb\u009b\n")).toBe("a?b?");
});

test("in one look a file is read once, however much stands on it, and in whatever order it is asked for", async () => {
  const names = Array.from({ length: 12 }, (_, index) => join(folder, `layer-${index}.qcow2`));
  for (const [index, name] of names.entries()) writeFileSync(name, qcow2({ backing: names[index + 1] ?? "gone" }));
  const whole = [...names, join(folder, "gone")];
  for (const order of [names, names.toReversed()]) {
    let read = 0;
    const host: Pick<World["host"], "imageChain"> = {
      imageChain: (path, format, known) =>
        imageChain(path, format, (below, as) => {
          const found = known?.(below, as);
          if (found === undefined) read += 1;
          return found;
        }),
    };
    const look = chainReader({ host } as World);
    for (const name of order) {
      const chain = await look(name, "qcow2");
      expect(chain?.map(({ path }) => path)).toEqual(whole.slice(whole.indexOf(name)));
    }
    expect(await look(join(folder, "gone"), "raw")).toEqual([]);
    expect(read).toBe(whole.length + 1);
  }
});
