import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { ssh } from "./guest.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig } from "./rig.ts";

describe("the classroom exercise", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
  });

  it("makes an image of a snapshot in which the file is, and new instances of it with a name, key and address of their own", async () => {
    await rig.guest("web1", "touch fichero.txt && sync");
    const snapshot = await rig.json<{ consistency: string; status: string }>("snapshot", "create", "web1", "before");
    expect(snapshot).toMatchObject({ consistency: "filesystem", status: "available" });

    await rig.ok("image", "create", "golden", "--from-snapshot", "web1/before");
    const images = await rig.json<{ name: string; type: string }[]>("image", "list");
    expect(images.find((image) => image.name === "golden")).toMatchObject({ type: "snapshot" });

    const before = rig.layers();
    const PATH = `${standInSysprep(rig.folder)}:${process.env.PATH}`;
    const words = ["image", "create", "prepared", "--from-snapshot", "web1/before", "--sysprep"];
    expect(await rig.estratoWith({ PATH, SUPERMIN_KERNEL: "/nowhere" }, ...words)).toMatchObject({ code: 0 });
    expect(rig.layers().length).toBe(before.length + 1);

    const key2 = `${rig.folder}/key2`;
    await sure("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key2);
    await rig.ok("keypair", "import", "second", "--file", `${key2}.pub`);
    await rig.create("web2", "--image", "golden", "--key-name", "second");
    const [one, two] = await Promise.all(
      ["web1", "web2"].map((name) =>
        rig.json<{ addresses: string[]; macs: string[]; id: string }>("instance", "show", name),
      ),
    );
    expect(two?.addresses[0]).toBeDefined();
    expect(two?.addresses[0]).not.toBe(one?.addresses[0]);
    expect(two?.macs[0]).not.toBe(one?.macs[0]);

    const address = two?.addresses[0] as string;
    expect(await ssh(key2, address, "ls fichero.txt")).toBe("fichero.txt");
    expect(await ssh(key2, address, "hostname")).toBe("web2");
    const identity = "cat /etc/machine-id; cat /etc/dropbear/*key* | sha256sum";
    expect(await ssh(key2, address, identity)).not.toBe(await rig.guest("web1", identity));
    // The old key is not welcome in the new instance.
    await expect(ssh(rig.key, address, "true")).rejects.toThrow();
  });

  it("makes a third straight from the snapshot", async () => {
    // This guest makes itself new each time; that cloud-init does what it is told it cannot show.
    await rig.create("web3", "--snapshot", "web1/before", "--own-identity");
    expect(await rig.guest("web3", "ls fichero.txt; hostname")).toBe("fichero.txt\nweb3");
    const volumes = await rig.json<{ volumes: { device: string; size_bytes: number }[] }>("instance", "show", "web3");
    expect(volumes.volumes.map((volume) => volume.device)).toEqual(["vda"]);
  });

  it("keeps image and clones when the first instance goes with its snapshots", async () => {
    await rig.ok("instance", "delete", "web1", "-y");
    expect(await rig.json("snapshot", "list")).toEqual([]);
    expect(await rig.guest("web3", "ls fichero.txt")).toBe("fichero.txt");
    await rig.create("web4", "--image", "prepared");
    expect(
      await rig.guest("web4", "ls fichero.txt; dd if=/dev/vda bs=4k skip=128 count=1 2>/dev/null | head -c 2"),
    ).toBe("fichero.txt\nZZ");
    expect(await rig.guest("web3", "dd if=/dev/vda bs=4k skip=128 count=1 2>/dev/null | head -c 2")).not.toBe("ZZ");
    expect((await rig.estrato("doctor")).code).toBe(0);
    expect(readFileSync(`${rig.home}/state.json`, "utf8")).not.toContain("PRIVATE KEY");
  });
});

/**
 * In the place of virt-sysprep(1), which boots a machine of its own for a minute: it writes below the first partition,
 * where nobody looks. Returns the folder that it is in.
 */
function standInSysprep(folder: string): string {
  const lines = [
    "#!/bin/sh",
    '[ "$*" != --version ] || exit 0',
    'case "$*" in "--quiet --no-network --format qcow2 -a /"*) ;; *) exit 1 ;; esac',
    "exec qemu-io -f qcow2 -c 'write -q -P 90 512k 4k' \"$6\"",
  ];
  mkdirSync(`${folder}/bin`);
  writeFileSync(`${folder}/bin/virt-sysprep`, `${lines.join("\n")}\n`, { mode: 0o755 });
  return `${folder}/bin`;
}
