import { expect, test } from "vitest";
import { sha256 } from "../../../../src/core/backups/manifest.ts";
import { bootInstance, restoreInstance, restoreVolume } from "../../../../src/core/backups/restore-to.ts";
import { trustBackup } from "../../../../src/core/backups/trust.ts";
import { verifyAll } from "../../../../src/core/backups/verify.ts";
import type { Instance } from "../../../../src/core/model/state.ts";
import { type Bed, command, everything, TARGET, write } from "../world.ts";
import { night, withTarget } from "./world.ts";

test("a disk that names another file than its manifest does is damaged, and nothing is made of it, whatever its checksums say", async () => {
  const on = await withTarget();
  const { id } = await night(on);
  command(on).host.addFile("/etc/shadow", { format: "qcow2", content: { 0: "secret" } });
  const disk = on.machine.files.get(`${TARGET}/${id}/vda.qcow2`);
  if (disk) disk.backing = { path: "/etc/shadow", format: "qcow2" };
  const [found] = await verifyAll(command(on), TARGET);
  expect(found).toMatchObject({ status: "damaged", problems: [expect.stringContaining("does not stand on")] });
  const before = everything(on);
  const from = { targets: [TARGET], backup: id, disks: [], passphraseFile: null };
  await expect(restoreVolume(command(on), from, "v")).rejects.toMatchObject({ code: "integrity" });
  expect(everything(on)).toBe(before);
});

/** Writes a manifest anew, with a checksum that is right. */
function rewrite(on: Bed, id: string, change: (manifest: { disks: Record<string, unknown>[] }) => void): void {
  const file = on.machine.files.get(`${TARGET}/${id}/manifest.json`);
  if (file?.text == null) throw new Error("no manifest");
  const { manifest } = JSON.parse(file.text);
  change(manifest);
  const sum = sha256(JSON.stringify(manifest, null, 2));
  file.text = `${JSON.stringify({ manifest, sha256: sum }, null, 2)}\n`;
}

test.each([
  ["is called another disk's", { device: "vdb", file: "vdb.qcow2" }],
  ["has another name", { file: "other.qcow2" }],
])("a disk is damaged that stands on a file which nobody looks at: in its parent's manifest that %s", async (_, as) => {
  const on = await withTarget();
  const full = (await night(on)).id;
  write(on, 2, "two");
  const { id } = await night(on);
  const disk = `${TARGET}/${full}/vda.qcow2`;
  const was = on.machine.files.get(disk);
  if (was === undefined) throw new Error("no disk");
  on.machine.files.set(`${TARGET}/${full}/${as.file}`, structuredClone(was));
  rewrite(on, full, ({ disks }) => Object.assign(disks[0] ?? {}, as));
  command(on).host.addFile("/etc/shadow", { format: "qcow2", content: { 0: "secret" } });
  was.backing = { path: "/etc/shadow", format: "qcow2" };
  was.clusters.clear();
  const problem = `${full}, on which it builds, holds no vda.qcow2 of disk vda`;
  const found = await verifyAll(command(on), TARGET);
  expect(found.find((one) => one.id === id)).toMatchObject({ status: "damaged", problems: [problem] });
  const before = everything(on);
  const from = { targets: [TARGET], backup: id, disks: [], passphraseFile: null };
  await expect(restoreVolume(command(on), from, "v")).rejects.toMatchObject({ code: "integrity" });
  expect(everything(on)).toBe(before);
});

test("checksums of blocks that no memory holds are none, and the others are read all the same", async () => {
  const on = await withTarget();
  const { id } = await night(on);
  const other = (await night(on, { incremental: false })).id;
  const sums = on.machine.files.get(`${TARGET}/${id}/vda.sums`);
  if (sums?.text == null) throw new Error("no sums");
  const text = sums.text.replace(/ sha256 \d+ /, " sha256 1000000000000 ");
  sums.text = text;
  rewrite(on, id, ({ disks }) => Object.assign(disks[0] ?? {}, { sums: { file: "vda.sums", sha256: sha256(text) } }));
  const found = await verifyAll(command(on), TARGET);
  expect(found.map((one) => [one.id, one.status])).toEqual([
    [id, "damaged"],
    [other, "ok"],
  ]);
  expect(found[0]?.problems).toEqual([`${TARGET}/${id}/vda.sums: damaged: these are no checksums`]);
});

/** A backup of a guest with UEFI, whose definition and manifest somebody has written anew. */
async function withOddDefinition(
  written = (text: string) =>
    text
      .replace("<os>", "<os firmware='efi'>")
      .replace(
        "</devices>",
        "<interface type='ethernet'><script path='/evil/script'/></interface><serial type='file'><source path='/evil/file'/></serial></devices>",
      ),
) {
  const on = await withTarget();
  const { id } = await night(on);
  const file = on.machine.files.get(`${TARGET}/${id}/definition.xml`);
  const manifest = on.machine.files.get(`${TARGET}/${id}/manifest.json`);
  if (file?.text == null || manifest?.text == null) throw new Error("no definition");
  file.text = written(file.text);
  const { manifest: read } = JSON.parse(manifest.text) as {
    manifest: { definition: { sha256: string }; uefi: boolean };
  };
  read.definition.sha256 = sha256(file.text);
  read.uefi = true;
  const sum = sha256(JSON.stringify(read, null, 2));
  manifest.text = `${JSON.stringify({ manifest: read, sha256: sum }, null, 2)}\n`;
  return { on, from: { targets: [TARGET], backup: id, disks: [], passphraseFile: null } };
}

const again: Parameters<typeof restoreInstance>[2] = {
  ...{ name: "again", flavor: null, vcpus: null, ramBytes: null, diskBytes: null, keyName: null, network: null },
  ...{ ip: null, userData: null, properties: {}, start: false },
};

test("a definition that is none is told as that, with its file, before anything is made", async () => {
  for (const [written, why] of [
    [(text: string) => text.replace("</domain>", ""), "unclosed xml tag"],
    [
      (text: string) => text.replace("<domain", "<?xml version='1.0' encoding='EBCDIC'?><domain"),
      'encoding is "EBCDIC"',
    ],
    [(text: string) => `<!DOCTYPE domain [<!ENTITY a "b">]>${text}`, "a document type is not allowed"],
    [() => "", "missing root element"],
  ] as const) {
    const { on, from } = await withOddDefinition(written);
    const [found] = await verifyAll(command(on), TARGET);
    const message = expect.stringMatching(new RegExp(`definition.xml: XML of a domain: .*${why}`));
    expect(found).toMatchObject({ status: "damaged", problems: [message] });
    const before = everything(on);
    for (const make of [restoreInstance, bootInstance])
      await expect(make(command(on), from, again)).rejects.toMatchObject({ code: "integrity" });
    await expect(restoreVolume(command(on), from, "v")).rejects.toMatchObject({ code: "integrity" });
    await expect(trustBackup(command(on), from)).rejects.toMatchObject({ code: "integrity", message });
    expect(everything(on)).toBe(before);
  }
});

test("of a definition that comes with a backup nothing is taken that names something of this host", async () => {
  const { on, from } = await withOddDefinition();
  for (const make of [restoreInstance, bootInstance]) {
    const world = command(on);
    const name = make.name;
    const made = (await make(world, from, { ...again, name })) as Instance;
    expect(on.machine.domains.get(made.id)?.inactive).not.toContain("evil");
    expect(world.notes.join("\n")).toMatch(/serial \(file\).*--trust-definition/);
  }
});

test("it is taken whole where somebody has seen what it names, and it is still that", async () => {
  const { on, from } = await withOddDefinition();
  const world = command(on);
  const trustDefinition = await trustBackup(world, from);
  expect(world.asked[0]?.loses).toEqual(
    expect.arrayContaining(["interface/script path=/evil/script", "serial/source path=/evil/file"]),
  );
  const made = (await restoreInstance(world, from, { ...again, trustDefinition })) as Instance;
  expect(on.machine.domains.get(made.id)?.inactive).toContain("/evil/script");
  const other = restoreInstance(command(on), from, { ...again, name: "other", trustDefinition: { xml: "<domain/>" } });
  await expect(other).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("no longer the one"),
  });
});
