import { beforeAll, describe, expect, it } from "vitest";
import { sure } from "./processes.ts";
import { makeRig, type Rig } from "./rig.ts";

describe("two running instances on one image", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("one");
    await rig.create("two");
  });
  const address = async (name: string) =>
    (await rig.json<{ addresses: string[] }>("instance", "show", name)).addresses[0];
  const imageFile = () =>
    Object.values(rig.state().layers)
      .map((layer) => layer.file)
      .find((file) => rig.base === file) as string;

  it("gives each its own address though the machine-id in the image is the same", async () => {
    expect(await address("one")).not.toBe(await address("two"));
    expect(await rig.guest("one", "hostname")).toBe("one");
    expect(await rig.guest("two", "hostname")).toBe("two");
  });

  it("lets neither change the image", async () => {
    const before = await sure("sha256sum", imageFile());
    await rig.guest("one", "dd if=/dev/urandom of=/root/one bs=1M count=4; sync");
    await rig.guest("two", "dd if=/dev/urandom of=/root/two bs=1M count=4; sync");
    expect(await sure("sha256sum", imageFile())).toBe(before);
  });

  it("defers a merge that both stand in the way of, and does it once one has stopped", async () => {
    await rig.guest("one", "echo shared > /root/shared; sync");
    await rig.ok("snapshot", "create", "one", "s1");
    await rig.guest("one", "echo more >> /root/shared; sync");
    await rig.ok("snapshot", "create", "one", "s2");
    await rig.ok("image", "create", "golden", "--from-snapshot", "one/s2");
    await rig.create("three", "--image", "golden");
    const before = rig.layers().length;
    await rig.ok("snapshot", "delete", "one/s1");
    expect(rig.layers()).toHaveLength(before);
    const usage = await rig.estrato("usage");
    expect(usage.stdout).toContain("two or more running");
    await rig.ok("instance", "stop", "three");
    expect(rig.layers()).toHaveLength(before - 1);
    await rig.ok("instance", "start", "three");
    expect(await rig.guest("three", "cat /root/shared")).toBe("shared\nmore");
    expect(await rig.guest("one", "cat /root/shared")).toBe("shared\nmore");
  });

  it("keeps them running when the image is deleted, and frees its data when the last one goes", async () => {
    const file = imageFile();
    const deleted = await rig.estrato("image", "delete", "base");
    expect(deleted.code).toBe(0);
    expect(deleted.stderr).toContain("one");
    expect(await rig.guest("two", "hostname")).toBe("two");
    await rig.ok("image", "delete", "golden");
    await rig.ok("instance", "delete", "three", "-y");
    await rig.ok("instance", "delete", "one", "-y");
    expect(await rig.guest("two", "ls /root/two")).toBe("/root/two");
    await rig.ok("instance", "delete", "two", "-y");
    expect(rig.layers()).toEqual([]);
    await expect(sure("stat", file)).rejects.toThrow("No such file");
  });
});
