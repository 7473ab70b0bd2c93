import { readdirSync, statSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
import { makeBare } from "./bare.ts";
import { killAt, killPoints } from "./crash.ts";
import { run, sure } from "./processes.ts";
import { guestImage, libvirtd, makeRig, type Rig, virsh } from "./rig.ts";

interface Shown {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly vcpus: number;
  readonly ram_bytes: number;
  readonly addresses: string[];
  readonly macs: string[];
  readonly volumes: { id: string; device: string; size_bytes: number }[];
  readonly autostart: boolean;
  readonly key_name: string | null;
  readonly properties: Record<string, string>;
}

/** What must be the same before, while and after an instance is shelved. */
const lasting = ({ id, name, vcpus, ram_bytes, addresses, macs, volumes, autostart, key_name, properties }: Shown) => ({
  id,
  name,
  vcpus,
  ram_bytes,
  addresses,
  macs,
  volumes,
  autostart,
  key_name,
  properties,
});
const show = (rig: Rig, name: string) => rig.json<Shown>("instance", "show", name);
const images = async (rig: Rig) => (await rig.json<{ name: string }[]>("image", "list")).map((one) => one.name);
const domains = async () => (await virsh("list", "--all", "--name")).split("\n").filter(Boolean);

describe("shelving", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
    await rig.guest("web1", "echo old > /root/word; sync");
    await rig.ok("snapshot", "create", "web1", "s1");
    await rig.ok("instance", "set", "web1", "--autostart", "on", "--property", "role=shop");
  });

  it("keeps a timestamp, everything that the instance is, and one image in between", async () => {
    const before = await show(rig, "web1");
    expect(before).toMatchObject({ key_name: "k", properties: { role: "shop" } });
    const definition = await virsh("dumpxml", "web1", "--inactive");
    await rig.guest("web1", "date +%s.%N > /root/timestamp; echo new > /root/word; sync");
    const timestamp = await rig.guest("web1", "cat /root/timestamp");
    await rig.ok("shelve", "web1");
    expect(await rig.ok("shelve", "web1")).toBe(""); // it is so already
    expect(await domains()).toEqual([]);
    const shelved = await show(rig, "web1");
    expect(shelved.status).toBe("shelved");
    expect(lasting(shelved)).toEqual(lasting(before));
    expect((await images(rig)).filter((name) => name.endsWith("-shelved"))).toEqual(["web1-shelved"]);
    expect((await rig.json<Shown[]>("instance", "list"))[0]).toMatchObject({ name: "web1", status: "shelved" });
    expect(await virsh("net-dumpxml", "default")).toContain(`mac='${before.macs[0]}'`);
    await rig.ok("wait", "instance", "web1", "--for", "status=shelved");
    for (const verb of [
      ["instance", "start", "web1"],
      ["instance", "stop", "web1"],
      ["snapshot", "create", "web1", "no"],
      ["snapshot", "revert", "web1/s1"],
      ["image", "delete", "web1-shelved"],
    ]) {
      expect([verb, (await rig.estrato(...verb)).code]).toEqual([verb, 5]);
    }
    await rig.heal();

    // A reboot of the host.
    await libvirtd("restart");
    await until("libvirtd answers", async () => (await run("virsh", ["-q", "list"])).code === 0);
    expect(await rig.ok("doctor")).toBe("");

    await rig.ok("unshelve", "web1", "--wait", "agent");
    const after = await show(rig, "web1");
    expect(after.status).toBe("active");
    expect(lasting(after)).toEqual(lasting(before));
    expect(after.autostart).toBe(true);
    expect((await images(rig)).filter((name) => name.endsWith("-shelved"))).toEqual([]);
    expect(await rig.guest("web1", "cat /root/timestamp")).toBe(timestamp);
    expect(await virsh("dumpxml", "web1", "--inactive")).toBe(definition);
    expect((await rig.estrato("unshelve", "web1")).code).toBe(5);
    await rig.heal();
  });

  it("keeps snapshots, which still revert", async () => {
    expect(await rig.guest("web1", "cat /root/word")).toBe("new");
    await rig.ok("snapshot", "revert", "web1/s1");
    expect(await rig.guest("web1", "cat /root/word")).toBe("old");
    await rig.ok("snapshot", "unrevert", "web1");
    expect(await rig.guest("web1", "cat /root/word")).toBe("new");
  });

  it("takes a paused instance too, with all that it had written", async () => {
    await rig.guest("web1", "echo not-synced > /root/late");
    await rig.ok("instance", "pause", "web1");
    await rig.ok("shelve", "web1");
    await rig.ok("unshelve", "web1", "--wait", "agent");
    expect(await rig.guest("web1", "cat /root/late")).toBe("not-synced");
  });

  it("says clearly what is in the way of coming back, and loses nothing", async () => {
    await rig.ok("shelve", "web1");
    const state = rig.state();
    const xml = `${rig.folder}/other.xml`;
    await sure(
      "sh",
      "-c",
      `echo "<domain type='qemu'><name>web1</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>" > ${xml}`,
    );
    await virsh("define", xml);
    const taken = await rig.estrato("unshelve", "web1");
    expect([taken.code, taken.stderr]).toEqual([5, expect.stringContaining("the name is taken")]);
    expect((await rig.estrato("instance", "show", "web1")).code).toBe(4); // which of the two?
    await virsh("undefine", "web1");

    const network = `${rig.folder}/network.xml`;
    await sure("sh", "-c", `virsh net-dumpxml default > ${network}`);
    await virsh("net-destroy", "default");
    await virsh("net-undefine", "default");
    const gone = await rig.estrato("unshelve", "web1");
    expect([gone.code, gone.stderr]).toEqual([6, expect.stringContaining("its network default is not there")]);
    expect(rig.state()).toEqual(state);
    await virsh("net-define", network);
    expect((await rig.estrato("unshelve", "web1")).stderr).toContain("not active");
    await virsh("net-start", "default");
    expect(rig.state()).toEqual(state);
    await rig.ok("unshelve", "web1", "--wait", "agent");
    expect(await rig.guest("web1", "cat /root/late")).toBe("not-synced");
    await rig.heal();
  });

  it("gives disk space back with --offload, and the data as it was", async () => {
    const fill = "dd if=/dev/zero bs=1M count=60 2>/dev/null | tr '\\0' 'x' > /root/fill; sync; md5sum /root/fill";
    const sum = await rig.guest("web1", fill);
    expect((await rig.estrato("shelve", "web1", "--offload")).code).toBe(8);
    expect((await show(rig, "web1")).status).toBe("active");
    const bytes = () =>
      rig.layers().reduce((all, name) => all + statSync(`${rig.home}/layers/${name}`).blocks * 512, 0);
    await rig.ok("instance", "stop", "web1");
    await rig.ok("snapshot", "delete", "web1/s1");
    const before = bytes();
    const said = (await rig.estrato("shelve", "web1", "--offload", "-y")).stderr;
    const cameBack = before - bytes();
    expect(cameBack).toBeGreaterThan(30 * 1024 ** 2);
    const [, told] = /packed; ([\d.]+) MiB came back/.exec(said) ?? [];
    expect(Math.abs(Number(told) - cameBack / 1024 ** 2)).toBeLessThan(1);
    await rig.heal();
    await rig.ok("unshelve", "web1");
    expect((await show(rig, "web1")).status).toBe("shutoff"); // as it was
    await rig.ok("instance", "start", "web1", "--wait", "agent");
    expect(await rig.guest("web1", "md5sum /root/fill")).toBe(sum);
    await rig.heal();
  });

  it("lets a shelved instance be deleted without a trace", async () => {
    await rig.ok("snapshot", "create", "web1", "s2");
    await rig.ok("shelve", "web1");
    const kept = await rig.estrato("instance", "delete", "web1");
    expect(kept.code).toBe(8);
    await rig.ok("instance", "delete", "web1", "-y");
    expect(await images(rig)).toEqual(["base"]);
    expect(rig.layers()).toHaveLength(1);
    for (const folder of ["records", "nvram", "seeds", "journal"])
      expect(readdirSync(`${rig.home}/${folder}`)).toEqual([]);
    expect(await virsh("net-dumpxml", "default")).not.toContain("<host ");
    await rig.heal();
  });

  it("gives an adopted guest's disk back as it was before", async () => {
    const disk = `${rig.folder}/mine.qcow2`;
    await sure("qemu-img", "convert", "-O", "qcow2", guestImage, disk);
    await sure("chmod", "0640", disk);
    const xml = `${rig.folder}/mine.xml`;
    const text = `<domain type='qemu'><name>mine</name><memory unit='MiB'>128</memory><os><type>hvm</type></os><devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`;
    writeFileSync(xml, text);
    await virsh("define", xml);
    await rig.ok("shelve", "mine");
    expect((await rig.estrato("shelve", "mine", "--offload", "-y")).code).toBe(5);
    await rig.ok("unshelve", "mine");
    await rig.ok("instance", "release", "mine");
    expect(statSync(disk).mode & 0o777).toBe(0o640);
    await sure("qemu-img", "compare", disk, guestImage);
    await virsh("undefine", "mine");
    await rig.heal();
  });

  it("keeps the NVRAM of a UEFI guest, and its TPM", async () => {
    const disk = `${rig.folder}/uefi.qcow2`;
    await sure("qemu-img", "convert", "-O", "qcow2", guestImage, disk);
    const xml = `${rig.folder}/uefi.xml`;
    writeFileSync(
      xml,
      `<domain type='qemu'><name>uefi</name><memory unit='MiB'>192</memory>
        <os><type arch='x86_64' machine='q35'>hvm</type>
          <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
          <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/></os>
        <features><acpi/></features>
        <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk>
        <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices></domain>`,
    );
    await virsh("define", xml);
    await virsh("start", "uefi");
    const uuid = await virsh("domuuid", "uefi");
    const nvram = async () => /<nvram[^>]*>([^<]+)</.exec(await virsh("dumpxml", "uefi", "--inactive"))?.[1] ?? "";
    const sum = async (path: string) => (await sure("md5sum", path)).split(" ")[0];
    const template = await sum("/usr/share/OVMF/OVMF_VARS_4M.fd");
    await until("the firmware has written its variables", async () => (await sum(await nvram())) !== template);
    await rig.ok("instance", "stop", "uefi", "--force");
    const tpm = `/var/lib/libvirt/swtpm/${uuid}/tpm2/tpm2-00.permall`;
    const before = [await sum(await nvram()), await sum(tpm)];
    await rig.ok("shelve", "uefi");
    // Another guest of that name may have come and gone
    await sure("sh", "-c", "rm -f /var/lib/libvirt/qemu/nvram/uefi_VARS.fd");
    await rig.heal();
    await rig.ok("unshelve", "uefi");
    expect([await sum(await nvram()), await sum(tpm)]).toEqual(before);
    await rig.ok("instance", "start", "uefi");
    await rig.heal();
    await rig.ok("instance", "delete", "uefi", "-y");
    expect(readdirSync(`${rig.home}/nvram`)).toEqual([]);
    expect(rig.layers().filter((name) => name.endsWith(".fd"))).toEqual([]);
  });
});

describe("kill -9 at every step", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web2");
    await rig.ok("snapshot", "create", "web2", "kept");
  });
  /** Those of merges have tests of their own. */
  const own = (point: { at: string }) => point.at.startsWith("instance.");

  /** `chosen`: of how many points in a row one is killed. */
  const killShelving = async (instance: string, snapshot: string, chosen: number) => {
    const copy = await rig.copyOf(snapshot);
    const before = await show(rig, instance);
    // It hears no button, since it is still booting, or never will: what it had synced must be there all the same.
    const shelve = ["shelve", instance, "--timeout", "1s"];
    const points = await killPoints(rig, ...shelve);
    expect(points.length).toBeGreaterThan(5);
    await rig.ok("unshelve", instance);
    for (const point of points.filter((_, index) => index % chosen === chosen - 1)) {
      await killAt(rig, point, ...shelve);
      await rig.heal();
      const now = await show(rig, instance);
      expect(lasting(now)).toEqual(lasting(before));
      if (now.status === "shelved") await rig.ok("unshelve", instance);
      else expect([point, now.status]).toEqual([point, "active"]);
      expect((await images(rig)).filter((name) => name.endsWith("-shelved"))).toEqual([]);
      await rig.requireSame(snapshot, copy);
    }
  };

  it("of shelve: it is shelved, or as it was", async () => {
    const bare = await makeBare(rig, "bare1");
    await bare.write(1);
    await rig.ok("snapshot", "create", "bare1", "bare-kept");
    await bare.write(2);
    await killShelving("bare1", "bare-kept", 1);
    expect(await bare.read()).toBe(2);
    await rig.ok("instance", "delete", "bare1", "-y");
    await rig.ok("image", "delete", "bare");
  });

  it("of shelve: what it leaves boots, with all that was synced", async () => {
    await rig.guest("web2", "echo word > /root/word; sync");
    await killShelving("web2", "kept", 3);
    expect(await rig.guest("web2", "cat /root/word")).toBe("word");
  });

  it("of packing and of unshelve: the same, off", async () => {
    const copy = await rig.copyOf("kept");
    await rig.ok("instance", "stop", "web2");
    const disk = () => {
      const { volumes, layers } = rig.state() as unknown as {
        volumes: Record<string, { head: string }>;
        layers: Record<string, { file: string }>;
      };
      return layers[Object.values(volumes)[0]?.head ?? ""]?.file ?? "";
    };
    const held = `${rig.folder}/held.qcow2`;
    await sure("qemu-img", "convert", "-O", "qcow2", disk(), held);
    const packing = (await killPoints(rig, "shelve", "web2", "--offload", "-y")).filter(own);
    const back = (await killPoints(rig, "unshelve", "web2")).filter(own);
    expect(back.some((point) => point.id === "define-domain")).toBe(true);
    for (const point of packing) {
      await killAt(rig, point, "shelve", "web2", "--offload", "-y");
      await rig.heal();
      await sure("qemu-img", "compare", disk(), held);
      if ((await show(rig, "web2")).status === "shelved") await rig.ok("unshelve", "web2");
      await sure("qemu-img", "compare", disk(), held);
      await rig.requireSame("kept", copy);
    }
    for (const point of back) {
      await rig.ok("shelve", "web2");
      await killAt(rig, point, "unshelve", "web2");
      await rig.heal();
      if ((await show(rig, "web2")).status === "shelved") await rig.ok("unshelve", "web2");
      expect((await show(rig, "web2")).status).toBe("shutoff");
      await sure("qemu-img", "compare", disk(), held);
      await rig.requireSame("kept", copy);
    }
    await rig.ok("instance", "start", "web2", "--wait", "agent");
    await rig.heal();
  });
});
