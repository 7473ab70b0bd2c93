import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig, virsh } from "./rig.ts";
import { genid, makeUefi, setVariable, variables as variablesOf } from "./uefi-guest.ts";

/** A guest that boots by OVMF, with NVRAM and an emulated TPM. */
describe("a guest with UEFI and a TPM", () => {
  let rig: Rig;
  const set = (name: string) => setVariable(rig, "web1", name);
  const variables = (instance: string) => variablesOf(rig, instance);

  beforeAll(async () => {
    rig = await makeRig();
    await makeUefi(rig, "web1");
  });

  it("has its variables of the snapshot after a revert, and those of the present after an unrevert", async () => {
    await set("MineFirst");
    const before = await genid("web1");
    const made = await rig.estrato("snapshot", "create", "web1", "s1");
    expect(made.code, made.stderr).toBe(0);
    await set("MineLater");
    expect(await variables("web1")).toEqual(["MineFirst", "MineLater"]);
    await rig.ok("snapshot", "revert", "web1/s1");
    expect(await variables("web1")).toEqual(["MineFirst"]);
    expect(await genid("web1")).not.toBe(before);
    await rig.ok("snapshot", "unrevert", "web1");
    expect(await variables("web1")).toEqual(["MineFirst", "MineLater"]);
  });

  it("resumes from memory with the variables of that instant", async () => {
    const boot = await rig.guest("web1", "cat /proc/sys/kernel/random/boot_id");
    const made = await rig.estrato("snapshot", "create", "web1", "m1", "--memory");
    expect(made.code, made.stderr).toBe(0);
    await set("MineTooLate");
    const before = await genid("web1");
    await rig.ok("instance", "stop", "web1", "--force");
    await rig.ok("snapshot", "revert", "web1/m1");
    expect(await rig.guest("web1", "cat /proc/sys/kernel/random/boot_id")).toBe(boot);
    expect(await genid("web1")).not.toBe(before);
    await rig.guest("web1", "reboot >/dev/null 2>&1 &");
    // An agent that goes down with its guest forgets what it was asked.
    const now = () => rig.guest("web1", "cat /proc/sys/kernel/random/boot_id").catch(() => boot);
    await until("it has rebooted", async () => (await now()) !== boot);
    expect(await variables("web1")).toEqual(["MineFirst", "MineLater"]);
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
      "15m",
    );
    expect(await variables("web2")).toEqual(["MineFirst"]);
    expect(await genid("web2")).not.toBe(await genid("web1"));
    await rig.heal();
  });

  it("is released with its variables in libvirt's own folder, and without a generation id, where it was not ours", async () => {
    const disk = `${rig.folder}/foreign.qcow2`;
    await sure("qemu-img", "create", "-q", "-f", "qcow2", disk, "8M");
    const xml = `<domain type='qemu'><name>foreign</name><memory unit='MiB'>64</memory><os firmware='efi'>
      <type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>
      <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk>
      </devices></domain>`;
    await sure("sh", "-c", 'printf %s "$1" > "$2"', "sh", xml, `${rig.folder}/foreign.xml`);
    await virsh("define", `${rig.folder}/foreign.xml`);
    const once = async () => {
      await virsh("start", "foreign", "--paused");
      await virsh("destroy", "foreign");
    };
    await once(); // libvirt makes its NVRAM
    const place = "/var/lib/libvirt/qemu/nvram/foreign_VARS.fd";
    await rig.ok("snapshot", "create", "foreign", "s1");
    await rig.ok("snapshot", "revert", "foreign/s1", "--discard", "-y");
    const ours = /<nvram[^>]*>(.*)<\/nvram>/.exec(await virsh("dumpxml", "foreign", "--inactive"))?.[1] ?? "";
    expect(ours).toContain(`${rig.home}/layers/`);
    await sure("sh", "-c", `printf mine | dd of=${ours} bs=1 seek=65536 conv=notrunc status=none`);
    await rig.ok("snapshot", "delete", "foreign/s1");
    await rig.ok("instance", "release", "foreign");
    const released = await virsh("dumpxml", "foreign", "--inactive");
    expect(released).toContain(place);
    expect(released).not.toContain("<genid>");
    expect(await sure("sh", "-c", `dd if=${place} bs=1 skip=65536 count=4 status=none`)).toBe("mine");
    await once();
    expect(existsSync(ours)).toBe(false);
    await virsh("undefine", "foreign", "--nvram");
    await rig.heal();
  });

  it("boots from a volume that came from it, with variables of its own", async () => {
    const root = (await rig.json<{ volumes: { id: string }[] }>("instance", "show", "web1")).volumes[0]?.id ?? "";
    await rig.ok("snapshot", "create", "--volume", root, "root1");
    await rig.ok("volume", "create", "copy", "--from-snapshot", "root1");
    await rig.ok("snapshot", "delete", "root1");
    const shape = ["--ram", "256M", "--key-name", "k", "--wait", "agent", "--timeout", "15m"];
    await rig.ok("instance", "create", "web3", "--boot-volume", "copy", ...shape);
    expect(await variables("web3")).toEqual([]);
    await rig.ok("instance", "stop", "web2", "--force");
    await rig.ok("image", "create", "of-volume", "--from-volume", "copy");
    await rig.ok("instance", "delete", "web3", "-y");
    await rig.ok("instance", "create", "web4", "--image", "of-volume", ...shape);
    expect(await variables("web4")).toEqual([]);
    await rig.ok("instance", "delete", "web4", "-y");
    expect(rig.layers().filter((name) => name.endsWith(".fd"))).toHaveLength(2); // web1's and web2's
    await rig.heal();
  });

  it("comes back from a folder in which its definition was edited without what that names of the host", async () => {
    const target = `${rig.folder}/from-elsewhere`;
    mkdirSync(target);
    const { id } = await rig.json<{ id: string }>("backup", "web1", "--rotation", "9", "--target", target);
    const odd =
      "<interface type='ethernet'><script path='/bin/odd'/><target dev='odd0'/></interface>" +
      "<serial type='file'><source path='/tmp/odd'/></serial>" +
      "<filesystem type='mount'><source dir='/etc'/><target dir='odd'/></filesystem></devices>";
    const [file, manifest] = [`${target}/${id}/definition.xml`, `${target}/${id}/manifest.json`];
    const xml = readFileSync(file, "utf8").replace("</devices>", odd);
    const sum = (text: string) => createHash("sha256").update(text).digest("hex");
    const told = (JSON.parse(readFileSync(manifest, "utf8")) as { manifest: { definition: { sha256: string } } })
      .manifest;
    told.definition.sha256 = sum(xml);
    writeFileSync(file, xml);
    const sealed = { manifest: told, sha256: sum(JSON.stringify(told, null, 2)) };
    writeFileSync(manifest, `${JSON.stringify(sealed, null, 2)}\n`);
    const made = await rig.estrato("backup", "restore", id, "--target", target, "--instance", "web5", "--no-start");
    expect(made.code, made.stderr).toBe(0);
    for (const what of ["interface (ethernet)", "serial (file)", "filesystem (mount)"])
      expect(made.stderr).toContain(what);
    const definition = await virsh("dumpxml", "web5", "--inactive");
    expect(definition).not.toMatch(/odd|filesystem|\/etc/);
    for (const what of ["efi", "tpm-crb", "org.qemu.guest_agent.0", "bus='virtio'"]) expect(definition).toContain(what);
    const asked = ["backup", "restore", id, "--target", target, "--instance", "web6", "--trust-definition"];
    const refused = await rig.estrato(...asked);
    expect(refused.code).toBe(8);
    expect(refused.stderr).toContain("script path=/bin/odd");
    await rig.ok("instance", "delete", "web5", "-y");
    await rig.heal();
  });
});
