import { expect, test } from "vitest";
import { adoptInstance } from "../../../../src/core/instances/release.ts";
import { command, newEstate, snapshotOf } from "./world.ts";

const SECRET =
  "<encryption format='luks'><secret type='passphrase' uuid='33333333-2222-4333-8444-555555555555'/></encryption>";

test.each(["qcow2", "raw"])("a disk that was encrypted elsewhere (%s) is refused with a way out", async (format) => {
  const estate = newEstate();
  const { host } = command(estate);
  host.addFile("/srv/luks.img", { format });
  host.addDomain({ name: "legacy", running: false, disks: [{ device: "vda", path: "/srv/luks.img", format }] });
  const [domain] = estate.machine.domains.values();
  if (domain)
    domain.inactive = domain.inactive.replace("file='/srv/luks.img'/>", `file='/srv/luks.img'>${SECRET}</source>`);
  const before = snapshotOf(estate);
  await expect(adoptInstance(command(estate), "legacy")).rejects.toMatchObject({
    code: "conflict",
    message: "instance legacy: disk vda was encrypted elsewhere, and its secret is not estrato's to keep",
    hint: expect.stringContaining("estrato volume create --encrypt"),
  });
  expect(snapshotOf(estate)).toEqual(before);
});
