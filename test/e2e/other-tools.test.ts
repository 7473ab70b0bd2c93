/** Other tools work on the same guests: what they do is taken in or refused, and no byte is lost. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type Bare, makeBare } from "./bare.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig, virsh } from "./rig.ts";

describe("another tool", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
  });
  const sourceOf = async (name: string) => /file='([^']+)'/.exec(await virsh("dumpxml", name, "--inactive"))?.[1] ?? "";
  const overlay = (name: string, ...more: string[]) =>
    virsh("snapshot-create-as", name, "other", "--disk-only", "--atomic", "--no-metadata", ...more);
  /** Off and on again, it reads the same. */
  const requireReads = async (guest: Bare, byte: number) => {
    await rig.ok("instance", "stop", guest.name, "--force");
    expect(await guest.read()).toBe(byte);
    await rig.ok("instance", "start", guest.name);
    expect(await guest.read()).toBe(byte);
    expect(await rig.json("doctor")).toEqual([]);
  };

  it("puts overlays on a running guest's disk: a snapshot takes them in", async () => {
    const guest = await makeBare(rig, "running");
    await guest.write(0x41);
    await overlay("running");
    await guest.write(0x42);
    await overlay("running", "--diskspec", `vda,file=${join(rig.folder, "elsewhere.qcow2")}`);
    await guest.write(0x43);
    const plan = await rig.ok("snapshot", "create", "running", "s1", "--dry-run");
    expect(plan.indexOf("Record what lies on the disks")).toBeLessThan(plan.indexOf("Switch"));
    expect(plan).toContain("which another tool put on");
    await rig.ok("snapshot", "create", "running", "s1");
    await guest.write(0x44);
    await requireReads(guest, 0x44);
    await rig.ok("snapshot", "revert", "running/s1", "-y");
    expect(await guest.read()).toBe(0x43);
    await rig.ok("snapshot", "unrevert", "running", "-y");
    await rig.ok("snapshot", "delete", "running/s1");
    await requireReads(guest, 0x44);
    // What stands on a layer, and nothing remembers, keeps it.
    const layer = await sourceOf("running");
    const forgotten = `${dirname(layer)}/forgotten.qcow2`;
    await rig.ok("snapshot", "create", "running", "s2");
    await sure("qemu-img", "create", "-q", "-f", "qcow2", "-b", layer, "-F", "qcow2", forgotten);
    await rig.ok("snapshot", "delete", "running/s2");
    expect(existsSync(layer)).toBe(true);
    await sure("qemu-img", "check", "-q", forgotten);
    await sure("rm", forgotten);
    await rig.ok("doctor", "--repair");
    expect(existsSync(layer) && (await sourceOf("running")) !== layer).toBe(false);
    await requireReads(guest, 0x44);
  });

  it("does so, and doctor --repair takes it in, in cron too", async () => {
    const guest = await makeBare(rig, "repaired");
    await overlay("repaired");
    await guest.write(0x45);
    expect((await rig.json<object[]>("doctor", "--repair")).length).toBeGreaterThan(0);
    await guest.write(0x46);
    await requireReads(guest, 0x46);
  });

  it("defines a guest that is off on an overlay made by hand: it starts from that", async () => {
    const guest = await makeBare(rig, "off");
    await guest.write(0x47);
    await rig.ok("instance", "stop", "off", "--force");
    const head = await sourceOf("off");
    const mine = join(rig.folder, "mine.qcow2");
    await sure("qemu-img", "create", "-q", "-f", "qcow2", "-b", head, "-F", "qcow2", mine);
    const xml = (await virsh("dumpxml", "off", "--inactive")).replace(head, mine);
    await sure("sh", "-c", `cat > ${rig.folder}/off.xml <<'END'\n${xml}\nEND`);
    await virsh("define", `${rig.folder}/off.xml`);
    await guest.write(0x48);
    await rig.ok("instance", "start", "off");
    await requireReads(guest, 0x48);
  });

  it("names a guest's disk by a pool, saves its memory, takes snapshots: each is seen as what it is", async () => {
    await virsh("pool-create-as", "mine", "dir", "--target", rig.folder);
    const file = join(rig.folder, "pooled.qcow2");
    await sure("qemu-img", "create", "-q", "-f", "qcow2", file, "8M");
    await virsh("pool-refresh", "mine");
    const xml = `<domain type='qemu'><name>pooled</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>
      <devices><disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='mine' volume='pooled.qcow2'/>
      <target dev='vda' bus='virtio'/></disk></devices></domain>`;
    await sure("sh", "-c", 'printf %s "$1" > "$2"', "sh", xml, `${rig.folder}/pooled.xml`);
    await virsh("define", `${rig.folder}/pooled.xml`);
    const statusOf = async () => (await rig.json<{ status: string }>("instance", "show", "pooled")).status;
    await rig.ok("instance", "start", "pooled");
    await rig.ok("snapshot", "create", "pooled", "s1");
    expect(await sourceOf("pooled")).toContain(`${rig.home}/layers/`);
    await virsh("managedsave", "pooled");
    expect(await statusOf()).toBe("saved");
    expect(await rig.ok("instance", "list", "--filter", "status=saved", "-f", "value", "-c", "name")).toBe("pooled");
    await rig.ok("instance", "start", "pooled");
    expect(await statusOf()).toBe("active");
    await rig.ok("instance", "stop", "pooled", "--force");
    expect(await rig.json("doctor")).toEqual([]);
    await rig.ok("snapshot", "delete", "pooled/s1");
    await rig.ok("instance", "release", "pooled");
    const disk = "pool='mine' volume='pooled.qcow2'";
    expect(await virsh("dumpxml", "pooled", "--inactive")).toContain(disk);
    await virsh("snapshot-create-as", "pooled", "theirs");
    expect(await rig.json("snapshot", "show", "libvirt:theirs")).toMatchObject({
      instance: "pooled",
      restorable: false,
    });
    const refused = await rig.estrato("snapshot", "delete", "pooled/libvirt:theirs");
    expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining("virsh snapshot-delete pooled theirs")]);
    await virsh("snapshot-delete", "pooled", "theirs");
    await virsh("start", "pooled");
    expect(await virsh("dumpxml", "pooled", "--inactive")).toContain(disk);
    await virsh("destroy", "pooled");
    await virsh("undefine", "pooled");
    await virsh("pool-destroy", "mine");
  });

  it("undefines a running guest with snapshots: doctor --repair defines it while it runs, and again when it is off", async () => {
    const guest = await makeBare(rig, "undefined");
    await guest.write(0x49);
    await rig.ok("snapshot", "create", "undefined", "s1");
    await guest.write(0x4a);
    await rig.ok("instance", "set", "undefined", "--autostart", "on");
    await virsh("setmaxmem", "undefined", "128M", "--config");
    await rig.ok("snapshot", "create", "undefined", "s2");
    await guest.write(0x4b);
    const pid = () => sure("cat", "/run/libvirt/qemu/undefined.pid");
    const [ran, before] = [await pid(), await virsh("dumpxml", "undefined", "--inactive")];
    await virsh("undefine", "undefined");
    const refused = await rig.estrato("snapshot", "create", "undefined", "s3");
    expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining("doctor --repair")]);
    expect((await rig.estrato("doctor", "--repair")).code).toBe(8); // it asks
    await rig.ok("doctor", "--repair", "-y");
    expect(await pid()).toBe(ran);
    expect(await virsh("dumpxml", "undefined", "--inactive")).toBe(before);
    expect(await virsh("dominfo", "undefined")).toMatch(/Autostart: +enable/);
    await guest.write(0x4c);
    await requireReads(guest, 0x4c);
    await rig.ok("instance", "stop", "undefined", "--force");
    await virsh("undefine", "undefined");
    await rig.ok("doctor", "--repair", "-y");
    expect(await virsh("dumpxml", "undefined", "--inactive")).toBe(before);
    expect(await guest.read()).toBe(0x4c);
    await rig.ok("instance", "start", "undefined");
    await rig.ok("snapshot", "revert", "undefined/s1", "--discard", "-y");
    await requireReads(guest, 0x49);
  });
});
