import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig, small } from "./rig.ts";

interface Image {
  readonly protected: boolean;
  readonly disks: readonly { readonly device: string; readonly size_bytes: number }[];
}

const MIB = 1024 ** 2;

describe("an image of an instance with several disks", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    for (const [name, size] of [
      ["data1", "64M"],
      ["data2", "32M"],
    ] as const)
      await rig.ok("volume", "create", name, "--size", size);
    await rig.create("web1", "--volume", "data1", "--volume", "data2");
  });
  const code = async (...args: string[]) => (await rig.estrato(...args)).code;
  /** Sizes of its virtio disks in sectors, the seed's left out, by the label that was written to their beginning. */
  const labels = (instance: string) =>
    rig.guest(
      instance,
      "for d in /sys/block/vd?; do n=$(basename $d); l=$(dd if=/dev/$n bs=6 count=1 2>/dev/null | tr -cd a-z0-9); case $l in disk1*|disk2*) echo $l $(cat $d/size);; esac; done",
    );
  const WRITTEN = `disk1a ${(64 * MIB) / 512}\ndisk2a ${(32 * MIB) / 512}`;

  it("has them all, and so has each new instance of it, of its own", async () => {
    await until("the guest sees both", async () => (await rig.guest("web1", "ls /dev/vdb /dev/vdc | wc -l")) === "2");
    for (const [serial, label] of [
      [await serialOf("data1"), "disk1a"],
      [await serialOf("data2"), "disk2a"],
    ]) {
      await rig.guest(
        "web1",
        `for d in /sys/block/vd?; do [ "$(cat $d/serial)" = ${serial} ] && printf ${label} | dd of=/dev/$(basename $d) conv=notrunc,fsync 2>/dev/null; done; true`,
      );
    }
    expect(await labels("web1")).toBe(WRITTEN);
    await rig.guest("web1", "echo root > /root/mark; sync");
    const image = await rig.json<Image>("image", "create", "golden", "--from-instance", "web1");
    expect(image.disks.map(({ device, size_bytes }) => [device, size_bytes])).toEqual([
      ["vda", expect.any(Number)],
      ["vdb", 64 * MIB],
      ["vdc", 32 * MIB],
    ]);
    await rig.guest(
      "web1",
      "echo later > /root/mark; printf later1 | dd of=/dev/vdb conv=notrunc,fsync 2>/dev/null; sync",
    );
    await rig.create("web2", "--image", "golden");
    expect(await rig.guest("web2", "cat /root/mark")).toBe("root");
    expect(await labels("web2")).toBe(WRITTEN);
    await rig.guest("web2", "printf disk1b | dd of=/dev/vdb conv=notrunc,fsync 2>/dev/null");
    const one = await rig.json<Image>(
      "image",
      "create",
      "one-less",
      "--from-instance",
      "web1",
      "--exclude-disk",
      "vdc",
    );
    expect(one.disks.map(({ device }) => device)).toEqual(["vda", "vdb"]);
    await rig.ok("image", "delete", "one-less");
    const volumes = await rig.json<{ instance: string; device: string }[]>(
      "volume",
      "list",
      "--filter",
      "instance=web2",
    );
    expect(volumes.map(({ device }) => device).sort()).toEqual(["vda", "vdb", "vdc"]);
    await rig.heal();
  });

  const serialOf = async (name: string) => (await rig.json<{ id: string }>("volume", "show", name)).id.slice(0, 20);

  it("is saved disk by disk, and each is whole", async () => {
    const refused = await rig.estrato("image", "save", "golden", "--file", `${rig.folder}/all.qcow2`);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("--disk: vda, vdb, vdc")]);
    const file = `${rig.folder}/vdc.raw`;
    await rig.ok("image", "save", "golden", "--disk", "vdc", "--disk-format", "raw", "--file", file);
    expect(await sure("head", "-c", "6", file)).toBe("disk2a");
  });

  it("is not deleted while it is protected; then those who stand on it are named, and lose nothing", async () => {
    await rig.ok("image", "set", "golden", "--protect");
    expect(await rig.json<Image>("image", "show", "golden")).toMatchObject({ protected: true });
    const kept = await rig.estrato("image", "delete", "golden");
    expect([kept.code, kept.stderr]).toEqual([5, expect.stringMatching(/golden: it is protected.*--unprotect/)]);
    expect(await code("image", "set", "golden", "--protect", "--unprotect")).toBe(2);
    await rig.ok("image", "set", "golden", "--unprotect");
    await rig.ok("snapshot", "create", "web2", "s1");
    const copy = await rig.copyOf("s1");
    const gone = await rig.estrato("image", "delete", "golden");
    expect(gone.code).toBe(0);
    expect(gone.stderr).toMatch(/golden: .*instance web2 vda.*still stand on it/);
    expect(gone.stderr).toContain("snapshot web2/s1");
    expect(await code("image", "delete", "golden")).toBe(4);
    await rig.requireSame("s1", copy);
    expect(await rig.guest("web2", "cat /root/mark")).toBe("root");
    await rig.ok("instance", "reboot", "web2", "--hard");
    expect(await rig.guest("web2", "cat /root/mark")).toBe("root");
    await rig.heal();
  });

  it("leaves nothing when all that stood on it have gone", async () => {
    await rig.ok("instance", "delete", "web2", "-y");
    await rig.ok("instance", "delete", "web1", "-y");
    // They outlive the instance, which did not make them.
    for (const name of ["data1", "data2"]) await rig.ok("volume", "delete", name, "-y");
    await rig.ok("image", "delete", "base");
    expect(rig.layers()).toEqual([]);
    await rig.heal();
    expect(await code("instance", "create", "web9", "--image", "base", ...small)).toBe(4);
  });
});
