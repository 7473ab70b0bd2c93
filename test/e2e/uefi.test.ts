import { writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { makeRig, type Rig, sure, virsh } from "./rig.ts";

const VARIABLES = "/sys/firmware/efi/efivars";
/** Not the namespace of EFI itself, in which firmware takes only names that it knows. */
const GUID = "5f7d9a3c-6a1e-4a4e-9d0b-3f6a2c1b8e70";

/** A guest that boots by OVMF, with NVRAM and an emulated TPM. */
describe("a guest with UEFI and a TPM", { timeout: 240_000 }, () => {
  let rig: Rig;
  /** Four bytes of attributes (non-volatile, for boot and runtime), then the content. */
  const set = (name: string) =>
    rig.guest("web1", `printf '\\007\\000\\000\\000%s' ${name} > ${VARIABLES}/${name}-${GUID}; sync`);
  const variables = async (instance: string) =>
    (await rig.guest(instance, `ls ${VARIABLES} | grep -- -${GUID} | grep ^Mine; true`))
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.slice(0, -GUID.length - 1));
  const genid = async (instance: string) => /<genid>(.*)<\/genid>/.exec(await virsh("dumpxml", instance))?.[1];

  beforeAll(async () => {
    rig = await makeRig();
    await rig.ok(
      "instance",
      "create",
      "web1",
      "--image",
      "base",
      "--vcpus",
      "1",
      "--ram",
      "256M",
      "--key-name",
      "k",
      "--no-start",
    );
    const xml = (await virsh("dumpxml", "web1", "--inactive"))
      .replace("<os>", "<os firmware='efi'><firmware><feature enabled='no' name='secure-boot'/></firmware>")
      .replace("</devices>", "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>");
    const file = `${rig.folder}/uefi.xml`;
    writeFileSync(file, xml);
    await virsh("define", file);
    await rig.ok("instance", "start", "web1", "--wait", "agent", "--timeout", "180s");
  });

  it("has its variables of the snapshot after a revert, and those of the present after an unrevert", async () => {
    await set("MineFirst");
    const before = await genid("web1");
    const made = await rig.estrato("snapshot", "create", "web1", "s1");
    expect(made.code, made.stderr).toBe(0);
    expect(made.stderr).toContain("the state of its TPM is not in this snapshot");
    await set("MineLater");
    expect(await variables("web1")).toEqual(["MineFirst", "MineLater"]);
    await rig.ok("snapshot", "revert", "web1/s1");
    expect(await variables("web1")).toEqual(["MineFirst"]);
    expect(await genid("web1")).not.toBe(before);
    await rig.ok("snapshot", "unrevert", "web1");
    expect(await variables("web1")).toEqual(["MineFirst", "MineLater"]);
  });

  it("resumes from memory, TPM and all, with the variables of that instant", async () => {
    const boot = await rig.guest("web1", "cat /proc/sys/kernel/random/boot_id");
    const uuid = await virsh("domuuid", "web1");
    const tpm = `/var/lib/libvirt/swtpm/${uuid.trim()}/tpm2/tpm2-00.permall`;
    const seeds = await sure("sha256sum", tpm);
    const made = await rig.estrato("snapshot", "create", "web1", "m1", "--memory");
    expect(made.code, made.stderr).toBe(0);
    expect(made.stderr).not.toContain("TPM");
    await set("MineTooLate");
    const before = await genid("web1");
    // Another TPM meanwhile: with the power off its state is only this file.
    await rig.ok("instance", "stop", "web1", "--force");
    await sure("truncate", "--size", "0", tpm);
    await rig.ok("snapshot", "revert", "web1/m1");
    expect(await sure("sha256sum", tpm)).toBe(seeds);
    expect(await rig.guest("web1", "cat /proc/sys/kernel/random/boot_id")).toBe(boot);
    expect(await genid("web1")).not.toBe(before);
    await rig.guest("web1", "reboot >/dev/null 2>&1 &");
    await new Promise((next) => setTimeout(next, 5_000));
    expect(await variables("web1")).toEqual(["MineFirst", "MineLater"]);
    expect(await rig.guest("web1", "cat /proc/sys/kernel/random/boot_id")).not.toBe(boot);
  });

  it("gives its variables to an image, and to an instance of that, whose generation id is another", async () => {
    await rig.ok("image", "create", "golden", "--from-snapshot", "web1/s1");
    await rig.ok("instance", "stop", "web1", "--force");
    await rig.ok(
      "instance",
      "create",
      "web2",
      "--image",
      "golden",
      "--ram",
      "256M",
      "--key-name",
      "k",
      "--wait",
      "agent",
      "--timeout",
      "180s",
    );
    expect(await variables("web2")).toEqual(["MineFirst"]);
    expect(await genid("web2")).not.toBe(await genid("web1"));
    await rig.heal();
  });
});
