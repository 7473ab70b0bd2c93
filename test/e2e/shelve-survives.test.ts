import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { killAt, killPoints } from "./crash.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig, reboot, small, virsh } from "./rig.ts";

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly addresses: string[];
  readonly macs: string[];
}

describe("what happens between shelve and unshelve", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
    await rig.guest("web1", "echo kept > /root/word; sync");
  });
  const show = () => rig.json<Shown>("instance", "show", "web1");
  const requireWord = async () => expect(await rig.guest("web1", "cat /root/word")).toBe("kept");

  it("a reboot of the host loses nothing, neither the address nor what runs beside it", async () => {
    await rig.ok("instance", "create", "beside", "--image", "base", ...small, "--key-name", "k", "--wait", "agent");
    await rig.guest("beside", "echo here > /root/here; sync");
    const before = await show();
    await rig.ok("shelve", "web1");
    await reboot();
    expect(await rig.ok("doctor")).toBe("");
    expect((await show()).status).toBe("shelved");
    const early = await rig.estrato("unshelve", "web1");
    expect([early.code, early.stderr]).toEqual([6, expect.stringContaining("virsh net-start default")]);
    await virsh("net-start", "default");
    await rig.ok("unshelve", "web1", "--wait", "agent");
    expect(await show()).toMatchObject({ id: before.id, macs: before.macs, addresses: before.addresses });
    await requireWord();
    await rig.ok("instance", "start", "beside", "--wait", "agent");
    expect(await rig.guest("beside", "cat /root/here")).toBe("here");
    await rig.ok("instance", "delete", "beside", "-y");
    await rig.heal();
  });

  it("a power cut in the middle of either leaves it shelved or there", async () => {
    for (const verb of ["shelve", "unshelve"]) {
      if (verb === "unshelve") await rig.ok("shelve", "web1");
      const command = verb === "shelve" ? ["shelve", "web1", "--timeout", "1s"] : ["unshelve", "web1"];
      const points = (await killPoints(rig, ...command)).filter(({ title }) =>
        ["Make new heads", "Undefine the domain", "Record it as unshelved"].includes(title),
      );
      expect(points.length).toBeGreaterThan(0);
      for (const point of points) {
        const { status } = await show();
        if (verb === "shelve" && status === "shelved") await rig.ok("unshelve", "web1");
        if (verb === "unshelve" && status !== "shelved") await rig.ok("shelve", "web1");
        await killAt(rig, point, ...command);
        await reboot();
        await virsh("net-start", "default");
        await rig.heal();
      }
    }
    if ((await show()).status === "shelved") await rig.ok("unshelve", "web1");
    await rig.ok("instance", "start", "web1", "--wait", "agent");
    await requireWord();
  });

  it("a network that was renamed: it says which are there, and comes back when it has its name again", async () => {
    await rig.ok("shelve", "web1");
    const before = rig.state();
    const xml = await virsh("net-dumpxml", "default");
    const named = async (from: string, to: string) => {
      const file = `${rig.folder}/${to}.xml`;
      writeFileSync(file, (await virsh("net-dumpxml", from)).replace(`<name>${from}</name>`, `<name>${to}</name>`));
      await virsh("net-destroy", from);
      await virsh("net-undefine", from);
      await virsh("net-define", file);
      await virsh("net-start", to);
    };
    await named("default", "lan");
    const refused = await rig.estrato("unshelve", "web1");
    expect([refused.code, refused.stderr]).toEqual([6, expect.stringMatching(/network default is not there.*lan/)]);
    expect((await rig.estrato("doctor")).code).toBe(9);
    expect(rig.state()).toEqual(before);
    await named("lan", "default");
    expect(await virsh("net-dumpxml", "default")).toBe(xml);
    await rig.ok("unshelve", "web1", "--wait", "agent");
    await requireWord();
    await rig.heal();
  });
});

describe("disks put away elsewhere", () => {
  let rig: Rig;
  let archive: string;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("cold1");
    // A file system that can be taken away: what is on it lies in `disk`.
    archive = `${rig.folder}/archive`;
    for (const folder of [archive, `${rig.folder}/disk`]) mkdirSync(folder);
    await mount();
    writeFileSync(`${archive}/mine.txt`, "mine");
  });
  const mount = () => sure("mount", "--bind", `${rig.folder}/disk`, archive);
  const unmount = () => sure("umount", archive);
  const archived = () => readdirSync(archive).filter((name) => name !== "mine.txt");
  const away = ["shelve", "cold1", "--offload", "--target", "", "-y"];
  const shelve = () => away.map((word) => word || archive);
  const status = async () => (await rig.json<Shown>("instance", "show", "cold1")).status;

  it("lie in that folder, are missed when it is not there, and come back into the store", async () => {
    const fill = "dd if=/dev/urandom of=/root/fill bs=1M count=30 2>/dev/null; sync; md5sum /root/fill";
    const sum = await rig.guest("cold1", fill);
    const bytes = () =>
      rig.layers().reduce((all, name) => all + statSync(`${rig.home}/layers/${name}`).blocks * 512, 0);
    const before = bytes();
    const said = await rig.estrato(...shelve());
    expect(said.code, said.stderr).toBe(0);
    expect(archived()).toEqual([expect.stringMatching(/^lay-[0-9a-f]{17}\.qcow2$/)]);
    expect(statSync(`${archive}/${archived()[0]}`).mode & 0o777).toBe(0o400);
    expect(before - bytes()).toBeGreaterThan(25 * 1024 ** 2);
    expect(said.stderr).toMatch(new RegExp(`cold1: packed into ${archive}; [\\d.]+ MiB came back`));
    await rig.heal();
    const again = await rig.estrato("shelve", "cold1", "--offload", "--target", rig.folder, "-y");
    expect([again.code, again.stderr]).toEqual([0, expect.stringContaining("and stay there")]);

    const state = rig.state();
    await unmount();
    const missed = await rig.estrato("unshelve", "cold1");
    expect([missed.code, missed.stderr]).toEqual([6, expect.stringContaining(`Mount ${archive}`)]);
    expect(rig.state()).toEqual(state);
    expect((await rig.estrato("doctor")).code).toBe(9);
    await mount();
    await rig.ok("unshelve", "cold1", "--wait", "agent");
    expect(archived()).toEqual([]);
    expect(await rig.guest("cold1", "md5sum /root/fill")).toBe(sum);
    await rig.heal();
  });

  it("are refused where the folder cannot be, and the guest runs on", async () => {
    const tight = `${rig.folder}/tight`;
    mkdirSync(tight);
    await sure("mount", "-t", "tmpfs", "-o", "size=16M", "tmpfs", tight);
    const code = async (...args: string[]) => (await rig.estrato("shelve", "cold1", ...args)).code;
    expect(await code("--target", archive)).toBe(2);
    expect(await code("--offload", "--target", `${archive}/nothing`, "-y")).toBe(4);
    expect(await code("--offload", "--target", `${rig.home}/layers`, "-y")).toBe(5);
    expect(await code("--offload", "--target", tight, "-y")).toBe(6);
    expect(await code("--offload", "--target", archive)).toBe(8);
    expect(await status()).toBe("active");
    await sure("umount", tight);
  });

  it("killed at every step, on the way there and back: shelved or not, the data as it was, no file too many", async () => {
    const sum = await rig.guest("cold1", "md5sum /root/fill");
    await rig.ok("instance", "stop", "cold1");
    const packing = (await killPoints(rig, ...shelve())).filter(({ at }) => at.startsWith("instance.offload"));
    // The merges too: it is there that the data comes back.
    const back = (await killPoints(rig, "unshelve", "cold1")).filter(({ title }) =>
      [
        "Merge the layer down",
        "Merge the layer up",
        "Free the layer",
        "Record",
        "Remove the old file",
        "Remove what the image kept",
      ].includes(title),
    );
    expect([packing.length > 3, back.length > 3]).toEqual([true, true]);
    for (const point of packing) {
      await killAt(rig, point, ...shelve());
      await rig.heal();
      if ((await status()) === "shelved") await rig.ok("unshelve", "cold1");
      expect(archived()).toEqual([]);
    }
    for (const point of back) {
      await rig.ok(...shelve());
      await killAt(rig, point, "unshelve", "cold1");
      await rig.heal();
      if ((await status()) === "shelved") await rig.ok("unshelve", "cold1");
      expect(archived()).toEqual([]);
    }
    await rig.ok("instance", "start", "cold1", "--wait", "agent");
    expect(await rig.guest("cold1", "md5sum /root/fill")).toBe(sum);
    await rig.heal();
  });

  it("go with the instance", async () => {
    await rig.ok(...shelve());
    expect(archived()).toHaveLength(1);
    await rig.ok("instance", "delete", "cold1", "-y");
    expect(readdirSync(archive)).toEqual(["mine.txt"]);
    expect(rig.layers()).toHaveLength(1);
    await rig.heal();
    await unmount();
  });
});
