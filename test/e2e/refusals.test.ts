import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { run, sure } from "./processes.ts";
import { guestImage, makeRig, type Rig, virsh } from "./rig.ts";

describe("refusals: one line, the right exit code, nothing changed", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
    await rig.ok("snapshot", "create", "web1", "s1");
  });

  const everything = async () => ({
    state: readFileSync(`${rig.home}/state.json`, "utf8"),
    layers: rig.layers(),
    defined: await virsh("list", "--all", "--uuid"),
    disks: await virsh("domblklist", "web1"),
    reserved: await virsh("net-dumpxml", "default"),
  });
  /** It answers with this code and one line that matches, and all is as it was. */
  const refuses = async (code: number, line: RegExp, ...args: string[]) => {
    const before = await everything();
    const ran = await rig.estrato(...args);
    expect(ran.stderr).toMatch(line);
    expect(ran.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(ran.stderr).toMatch(/^estrato: /);
    expect(ran.stdout).toBe("");
    expect({ args, code: ran.code }).toEqual({ args, code });
    expect(await everything()).toEqual(before);
  };

  it("of names", async () => {
    const image = ["--image", "base"];
    await refuses(5, /web1.*taken/, "instance", "create", "web1", ...image);
    await refuses(2, /name/, "instance", "create", "a/b", ...image);
    await refuses(2, /name|option/, "instance", "create", "-x", ...image);
    await refuses(2, /name/, "instance", "create", "a\nb", ...image);
    await refuses(2, /name/, "instance", "create", "x".repeat(300), ...image);
    // With this libvirt starts nobody: the path of the agent's socket would be too long.
    await refuses(2, /take 80 bytes/, "instance", "create", "😀".repeat(20), ...image);
    await refuses(2, /take 80 bytes/, "instance", "set", "web1", "--name", "😀".repeat(20));
    await refuses(5, /web1\/s1.*taken/, "snapshot", "create", "web1", "s1");
    await refuses(2, /name/, "snapshot", "create", "web1", "a/b");
    await refuses(2, /name/, "snapshot", "create", "web1", "x".repeat(300));
    await refuses(2, /name/, "image", "create", "a\nb", "--from-snapshot", "web1/s1");
    await refuses(5, /base.*taken/, "image", "create", "base", "--from-snapshot", "web1/s1");
    await refuses(4, /not found/, "instance", "start", "nobody");
    await refuses(4, /not found/, "snapshot", "revert", "web1/nothing");
    await refuses(4, /not found/, "image", "delete", "nothing");
    await refuses(4, /not found/, "instance", "create", "web9", "--image", "nothing");
  });

  it("not of a name in Chinese that fits, with which it starts", async () => {
    const name = "教室一号服务器实验用虚";
    await rig.ok("instance", "create", name, "--image", "base", "--vcpus", "1", "--ram", "128M");
    await rig.ok("instance", "delete", name, "-y");
  });

  it("of an ambiguous name, which lists the candidates", async () => {
    await rig.ok("instance", "create", "web2", "--image", "base", "--vcpus", "1", "--ram", "128M", "--no-start");
    await rig.ok("snapshot", "create", "web2", "s1");
    await refuses(4, /web1\/s1.*web2\/s1/, "snapshot", "delete", "s1");
    await rig.ok("instance", "delete", "web2", "-y");
  });

  it("of images that are not what they claim or point outside", async () => {
    const file = (name: string) => `${rig.folder}/${name}`;
    await sure(
      "qemu-img",
      "create",
      "-q",
      "-f",
      "qcow2",
      "-u",
      "-b",
      "/etc/shadow",
      "-F",
      "raw",
      file("backed.qcow2"),
      "1M",
    );
    await sure(
      "qemu-img",
      "create",
      "-q",
      "-f",
      "qcow2",
      "-o",
      `data_file=${file("data.raw")},data_file_raw=on`,
      file("data.qcow2"),
      "1M",
    );
    await sure("qemu-img", "create", "-q", "-f", "vmdk", file("disk.vmdk"), "1M");
    await sure("sh", "-c", `head -c 1000 ${guestImage} > ${file("short.qcow2")}`);
    await refuses(6, /backing file/, "image", "create", "evil", "--file", file("backed.qcow2"));
    await refuses(6, /data lies in another file/, "image", "create", "evil", "--file", file("data.qcow2"));
    await refuses(6, /evil|vmdk/, "image", "create", "evil", "--file", file("disk.vmdk"), "--disk-format", "raw");
    await refuses(6, /qcow2/, "image", "create", "evil", "--file", file("disk.vmdk"), "--disk-format", "qcow2");
    await refuses(6, /./, "image", "create", "evil", "--file", file("short.qcow2"));
    await refuses(4, /nowhere/, "image", "create", "evil", "--file", file("nowhere.qcow2"));
  });

  it("of a guest without an agent where quiescing is required", async () => {
    await rig.ok("instance", "create", "mute", "--image", "base", "--vcpus", "1", "--ram", "128M");
    await virsh("suspend", "mute");
    await refuses(6, /quiesce/, "snapshot", "create", "mute", "q", "--quiesce", "require");
    await rig.ok("instance", "delete", "mute", "-y");
  });

  it("of a managed save", async () => {
    await virsh("managedsave", "web1");
    await refuses(5, /saved memory state/, "snapshot", "create", "web1", "s2");
    await refuses(5, /saved memory state/, "snapshot", "revert", "web1/s1");
    await virsh("managedsave-remove", "web1");
    await virsh("start", "web1");
  });

  it("of a block job in progress", async () => {
    const head = (await virsh("domblklist", "web1"))
      .split("\n")
      .find((line) => line.includes("vda"))
      ?.trim()
      .split(/\s+/)[1];
    expect(head).toBeDefined();
    await virsh("blockcopy", "web1", "vda", `${rig.folder}/mirror.qcow2`, "--transient-job");
    await refuses(5, /block job/, "snapshot", "create", "web1", "s2");
    await refuses(5, /block job/, "snapshot", "revert", "web1/s1");
    await virsh("blockjob", "web1", "vda", "--abort");
  });

  it("of libvirt's own snapshots and checkpoints in the way", async () => {
    await virsh("checkpoint-create-as", "web1", "theirs");
    await refuses(5, /checkpoint/, "snapshot", "create", "web1", "s2");
    await virsh("checkpoint-delete", "web1", "theirs");
    await rig.ok("instance", "create", "web3", "--image", "base", "--vcpus", "1", "--ram", "128M", "--no-start");
    await virsh("snapshot-create-as", "web3", "theirs");
    await refuses(5, /snapshots of its own/, "snapshot", "create", "web3", "s2");
    const listed = await rig.json<{ name: string; type: string }[]>("snapshot", "list", "web3");
    expect(listed).toContainEqual(expect.objectContaining({ name: "theirs", type: "libvirt" }));
    await virsh("snapshot-delete", "web3", "theirs");
    await rig.ok("instance", "delete", "web3", "-y");
  });

  it("of too little space", async () => {
    const full = `${rig.folder}/full`;
    await sure("sh", "-c", `mkdir ${full} && mount -t tmpfs -o size=24M tmpfs ${full} && mkdir ${full}/store`);
    const ran = await run("bin/estrato", [
      "--store",
      `${full}/store`,
      "image",
      "create",
      "big",
      "--file",
      guestImage,
      "--disk-format",
      "qcow2",
    ]);
    expect(ran.code).toBe(6);
    expect(ran.stderr).toMatch(/needs .* free/);
    expect(await sure("sh", "-c", `ls ${full}/store/layers 2>/dev/null | wc -l`)).toBe("0");
    await sure("umount", full);
  });

  it("of two commands on one instance at once", async () => {
    // On a busy machine one may have ended before the other begins: then they were not at once, and it is tried again.
    for (let turn = 1; ; turn += 1) {
      const take = (name: string) => rig.estrato("snapshot", "create", "web1", `${name}-${turn}`);
      const both = await Promise.all([take("x"), take("y")]);
      const refused = both.filter((one) => one.code !== 0);
      expect(both.length - refused.length).toBeGreaterThan(0);
      if (refused.length === 0 && turn < 10) continue;
      expect(refused.map((one) => one.code)).toEqual([5]);
      expect(refused[0]?.stderr).toMatch(/another operation/);
      break;
    }
    const waited = await Promise.all([
      rig.estrato("snapshot", "create", "web1", "x3", "--lock-timeout", "60s"),
      rig.estrato("snapshot", "create", "web1", "x4", "--lock-timeout", "60s"),
    ]);
    expect(waited.map((one) => one.code)).toEqual([0, 0]);
  });

  it("of what needs a yes, with nobody to ask", async () => {
    await refuses(8, /needs a yes/, "instance", "delete", "web1");
    await refuses(8, /needs a yes/, "snapshot", "delete", "web1/s1", "--children");
    await refuses(8, /needs a yes/, "snapshot", "revert", "web1/s1", "--discard");
  });
});
