import { readFileSync } from "node:fs";
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
    await rig.create("web3", "--snapshot", "web1/before");
    expect(await rig.guest("web3", "ls fichero.txt; hostname")).toBe("fichero.txt\nweb3");
    const volumes = await rig.json<{ volumes: { device: string; size_bytes: number }[] }>("instance", "show", "web3");
    expect(volumes.volumes.map((volume) => volume.device)).toEqual(["vda"]);
  });

  it("keeps image and clones when the first instance goes with its snapshots", async () => {
    await rig.ok("instance", "delete", "web1", "-y");
    expect(await rig.json("snapshot", "list")).toEqual([]);
    expect(await rig.guest("web3", "ls fichero.txt")).toBe("fichero.txt");
    await rig.create("web4", "--image", "golden");
    expect(await rig.guest("web4", "ls fichero.txt")).toBe("fichero.txt");
    expect((await rig.estrato("doctor")).code).toBe(0);
    expect(readFileSync(`${rig.home}/state.json`, "utf8")).not.toContain("PRIVATE KEY");
  });
});
