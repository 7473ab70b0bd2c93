import { statSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { agentUp, byAgent, systemAgent } from "./guest.ts";
import { sure } from "./processes.ts";
import { guestImage, makeRig, type Rig, virsh } from "./rig.ts";

describe("a guest that estrato did not make", () => {
  let rig: Rig;
  let disk: string;
  const agent = (line: string) => byAgent(systemAgent, "own", line);

  beforeAll(async () => {
    rig = await makeRig();
    disk = `${rig.folder}/own.raw`;
    await sure("qemu-img", "convert", "-O", "raw", guestImage, disk);
    await sure(
      "sh",
      "-c",
      `chmod 0644 ${disk}; mkdir ${rig.folder}/cd; echo hello > ${rig.folder}/cd/readme; xorriso -as mkisofs -quiet -o ${rig.folder}/cd.iso ${rig.folder}/cd`,
    );
    const xml = `<domain type='qemu'><name>own</name><memory unit='MiB'>128</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>
      <features><acpi/></features><devices>
      <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk>
      <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='${rig.folder}/cd.iso'/><target dev='sda' bus='sata'/><readonly/></disk>
      <interface type='network'><source network='default'/><model type='virtio'/></interface>
      <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel><console type='pty'/></devices></domain>`;
    await sure("sh", "-c", 'printf %s "$1" > "$2"', "sh", xml, `${rig.folder}/own.xml`);
    await virsh("define", `${rig.folder}/own.xml`);
    await virsh("start", "own");
    await agentUp(systemAgent, "own");
  });

  it("is listed without being adopted", async () => {
    const [own] = await rig.json<{ name: string; managed: boolean; status: string }[]>("instance", "list");
    expect(own).toMatchObject({ name: "own", managed: false, status: "active" });
    expect(rig.state().instances).toEqual({});
  });

  it("is adopted by its first snapshot, with a note, and its file is not written while the snapshot stands on it", async () => {
    await agent("echo one > /root/log; sync");
    const created = await rig.estrato("snapshot", "create", "own", "s1");
    expect(created.code).toBe(0);
    expect(created.stderr).toContain("own: adopted");
    const before = { sum: await sure("sha256sum", disk), written: statSync(disk).mtimeMs };
    await agent("echo two >> /root/log; dd if=/dev/urandom of=/root/data bs=64k count=16; sync");
    await rig.ok("snapshot", "create", "own", "s2");
    await agent("echo three >> /root/log; sync");
    await rig.ok("snapshot", "revert", "own/s2");
    await agentUp(systemAgent, "own");
    expect(await agent("cat /root/log")).toBe("one\ntwo");
    await rig.ok("snapshot", "delete", "own/s2");
    expect(await sure("sha256sum", disk)).toBe(before.sum);
    expect(statSync(disk).mtimeMs).toBe(before.written);
  });

  it("is not released while something stands on its file", async () => {
    const refused = await rig.estrato("instance", "release", "own");
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain("own/s1");
  });

  it("gets its own file back, with all it wrote, its owner and its mode", async () => {
    await agent("echo four >> /root/log; sync");
    for (const { id } of await rig.json<{ id: string }[]>("snapshot", "list", "own"))
      await rig.ok("snapshot", "delete", id);
    await rig.ok("instance", "stop", "own");
    await rig.ok("instance", "release", "own");
    expect(await virsh("domblklist", "own")).toContain(disk);
    expect(statSync(disk).mode & 0o777).toBe(0o644);
    expect(statSync(disk).uid).toBe(0);
    expect(rig.state().instances).toEqual({});
    expect(rig.layers()).toHaveLength(1); // the image of the rig
    await virsh("start", "own");
    await agentUp(systemAgent, "own");
    expect(await agent("cat /root/log")).toBe("one\ntwo\nfour");
    await rig.heal();
  });
});
