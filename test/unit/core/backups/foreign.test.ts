import { expect, test } from "vitest";
import { restoreVolume } from "../../../../src/core/backups/restore-to.ts";
import { verifyAll } from "../../../../src/core/backups/verify.ts";
import { command, everything, TARGET } from "../world.ts";
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
