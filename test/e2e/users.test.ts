import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { sure } from "./processes.ts";
import { guestImage, makeRig, type Rig } from "./rig.ts";
import { makeUsers, type User } from "./users.ts";

let alice: User;
let bob: User;
let carol: User;
const guestFile = join(process.env.ESTRATO_BED_DIR as string, "guest.qcow2");

beforeAll(async () => {
  [alice, bob, carol] = (await makeUsers("alice", "bob", "carol")) as [User, User, User];
  copyFileSync(guestImage, guestFile);
  await sure("chmod", "644", guestFile);
});

const sane = async (...users: User[]) => {
  for (const user of users) expect(JSON.parse(await user.ok("doctor", "-f", "json")), user.name).toEqual([]);
};

describe("a user's own libvirt", () => {
  it("has instances, snapshots with and without memory, reverts, shelves and volumes", async () => {
    await carol.ok("image", "create", "base", "--file", guestFile);
    await carol.create("web1", "--image", "base");
    await carol.guest("web1", "echo one > /root/file; sync");
    await carol.ok("snapshot", "create", "web1", "s1");
    await carol.guest("web1", "echo two > /root/file; echo lives > /run/memory; sync");
    await carol.ok("snapshot", "create", "web1", "m1", "--memory");
    await carol.ok("snapshot", "revert", "web1/s1");
    await carol.ok("wait", "instance", "web1", "--for", "agent");
    expect(await carol.guest("web1", "cat /root/file; ls /run/memory 2>/dev/null; true")).toBe("one");
    await carol.ok("snapshot", "revert", "web1/m1");
    expect(await carol.guest("web1", "cat /root/file /run/memory")).toBe("two\nlives");
    await carol.ok("volume", "create", "data1", "--size", "64M");
    await carol.ok("snapshot", "delete", "web1/s1");
    await carol.ok("snapshot", "delete", "web1/m1");
    for (const { name } of JSON.parse(await carol.ok("snapshot", "list", "web1", "-f", "json")) as { name: string }[]) {
      await carol.ok("snapshot", "delete", `web1/${name}`);
    }
    await carol.ok("volume", "attach", "web1", "data1");
    expect(await carol.guest("web1", "ls /dev/vdb")).toBe("/dev/vdb");
    await carol.ok("volume", "detach", "web1", "data1");
    await carol.ok("shelve", "web1");
    await carol.ok("unshelve", "web1");
    await carol.ok("wait", "instance", "web1", "--for", "agent");
    expect(await carol.guest("web1", "cat /root/file")).toBe("two");
    await sane(carol);
    await carol.ok("instance", "delete", "web1", "-y");
    await carol.ok("volume", "delete", "data1", "-y");
    await carol.ok("image", "delete", "base");
    expect(readdirSync(`${carol.store}/layers`)).toEqual([]);
    await sane(carol);
  });
});

describe("an image of alice's", () => {
  const layers = () => readdirSync(`${alice.store}/layers`).map((name) => `${alice.store}/layers/${name}`);
  const chainOf = (image: string) => {
    const state = JSON.parse(readFileSync(`${alice.store}/state.json`, "utf8"));
    const found = Object.values(state.images as Record<string, { name: string; disks: { layer: string }[] }>).find(
      ({ name }) => name === image,
    );
    const files: string[] = [];
    for (let id = found?.disks[0]?.layer ?? null; id !== null; id = state.layers[id].parent)
      files.push(state.layers[id].file);
    return files;
  };
  const reads = async (user: User, file: string) =>
    (await user.run("dd", `if=${file}`, "of=/dev/null", "count=1")).code === 0;

  beforeAll(async () => {
    await alice.ok("image", "create", "base", "--file", guestFile);
    await alice.create("web1", "--image", "base");
    await alice.guest("web1", "echo golden > /root/file; sync");
    await alice.ok("image", "create", "golden", "--from-instance", "web1");
    // Who looks has a store: a missing one is no empty one.
    await bob.ok("flavor", "create", "own", "--vcpus", "1", "--ram", "64M", "--disk", "16M");
    // Nothing but the store's own modes is to keep anybody out.
    await sure("chmod", "a+rx", alice.home, `${alice.home}/.local`, `${alice.home}/.local/share`);
  });

  it("is private: nobody else sees or reads anything of it", async () => {
    expect(await bob.ok("image", "list", "-f", "json")).toBe("[]");
    await bob.refused(4, "instance", "create", "x", "--image", "golden", "--network", "none");
    for (const file of [...layers(), `${alice.store}/state.json`]) expect(await reads(bob, file), file).toBe(false);
    for (const folder of ["", "/layers", "/shares", "/records"])
      expect((await bob.run("ls", `${alice.store}${folder}`)).code).not.toBe(0);
  });

  it("that is shared with bob is used by bob where it lies, changed by nobody, and not there for carol", async () => {
    await alice.ok("image", "share", "golden", "--with", "bob");
    expect(JSON.parse(await bob.ok("image", "list", "-f", "json", "--owner", "alice"))).toMatchObject([
      { name: "golden", owner: "alice", visibility: "shared" },
    ]);
    expect(await carol.ok("image", "list", "-f", "json")).toBe("[]");
    await carol.refused(4, "instance", "create", "x", "--image", "golden", "--network", "none");

    const sums = await sure("sha256sum", ...chainOf("golden"));
    await bob.create("mine", "--image", "golden", "--trust-owner");
    expect(await bob.guest("mine", "cat /root/file")).toBe("golden");
    await bob.guest("mine", "echo bob > /root/file; sync");
    expect(await bob.guest("mine", "cat /root/file")).toBe("bob");
    await bob.ok("snapshot", "create", "mine", "s1");
    expect(await alice.guest("web1", "cat /root/file")).toBe("golden");
    expect(await sure("sha256sum", ...chainOf("golden"))).toBe(sums);
    // alice's layers take some 25 MB
    expect(Number((await sure("du", "-sk", `${bob.store}/layers`)).split("\t")[0])).toBeLessThan(6 * 1024);
    await sane(alice, bob);
  });

  it("can be read, and neither written, opened up nor removed by bob; all else of alice's stays closed to him", async () => {
    const chain = chainOf("golden");
    expect(chain).toHaveLength(2);
    for (const file of chain) {
      expect(await reads(bob, file)).toBe(true);
      expect(await reads(carol, file)).toBe(false);
      for (const [program, ...args] of [
        ["chmod", "600"],
        ["rm", "-f"],
        ["truncate", "-s", "0"],
        ["setfacl", "-m", "u:bob:rw"],
        ["mv", "-t", "/tmp"],
      ] as const)
        expect((await bob.run(program, ...args, file)).code, program).not.toBe(0);
    }
    for (const file of layers().filter((one) => !chain.includes(one))) expect(await reads(bob, file), file).toBe(false);
    for (const folder of ["", "/layers", "/records"])
      expect((await bob.run("ls", `${alice.store}${folder}`)).code).not.toBe(0);
    expect(await reads(bob, `${alice.store}/state.json`)).toBe(false);
    expect(await bob.refused(5, "image", "delete", "golden")).toContain("it is alice's, who alone can delete it");
    await bob.refused(5, "image", "set", "golden", "--name", "mine");
    await bob.ok("image", "save", "golden", "--file", `${bob.home}/copy.qcow2`);
    await sure("qemu-img", "compare", "-U", chain[0] as string, `${bob.home}/copy.qcow2`);
  });

  it("keeps its layers while bob stands on them, and who stands there is said", async () => {
    for (const verb of ["unshare", "delete"])
      expect(await alice.refused(5, "image", verb, "golden")).toContain("bob (1 disk) still stands on it");
    const before = chainOf("golden");
    await alice.ok("image", "delete", "base");
    await alice.ok("instance", "delete", "web1", "-y");
    expect(chainOf("golden")).toEqual(before);
    await bob.ok("instance", "stop", "mine");
    await bob.ok("instance", "start", "mine", "--wait", "agent");
    expect(await bob.guest("mine", "cat /root/file")).toBe("bob");
    await sane(alice, bob);
  });

  it("is private again when bob has gone: he reads no more of it", async () => {
    await bob.ok("instance", "delete", "mine", "-y");
    expect(readdirSync(`${bob.store}/layers`)).toEqual([]);
    await alice.ok("image", "unshare", "golden");
    expect(await bob.ok("image", "list", "-f", "json")).toBe("[]");
    for (const file of layers()) expect(await reads(bob, file), file).toBe(false);
    await sane(alice, bob);
  });

  it("that is public is everybody's to use, and still alice's to keep", async () => {
    await alice.ok("image", "share", "golden", "--public");
    await carol.create("hers", "--image", "alice/golden", "--trust-owner");
    expect(await carol.guest("hers", "cat /root/file")).toBe("golden");
    expect(await alice.refused(5, "image", "unshare", "golden")).toContain("carol (1 disk)");
    const marks = `${alice.store}/shares/${readdirSync(`${alice.store}/shares`).find((name) => !name.endsWith(".json"))}/public`;
    expect((await bob.run("rm", "-f", `${marks}/${readdirSync(marks)[0]}`)).code).not.toBe(0);
    await carol.ok("instance", "delete", "hers", "-y");
    await alice.ok("image", "delete", "golden");
    expect(layers()).toEqual([]);
    await sane(alice, carol);
  });

  it("is not shared past a closed folder, and the line that opens it does", async () => {
    await sure("chmod", "700", alice.home, `${alice.home}/.local`);
    await alice.ok("image", "create", "again", "--file", guestFile);
    const said = await alice.refused(6, "image", "share", "again", "--with", "bob");
    const line = /Open the way: (.*)\.\n/.exec(said)?.[1] ?? "";
    expect(line).toBe(`setfacl -m u:bob:x ${alice.home} ${alice.home}/.local`);
    await alice.run("sh", "-c", line);
    await alice.ok("image", "share", "again", "--with", "bob");
    expect(await bob.ok("image", "list", "-f", "value", "-c", "name")).toBe("again");
    await alice.ok("image", "delete", "again");
  });
});

describe("an image of the system's", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
  });

  it("is used by a user's own libvirt, while an instance of the system's runs on it", async () => {
    const env = { ESTRATO_HOME: "/var/lib/estrato" };
    const root = async (...args: string[]) => {
      const ran = await rig.estratoWith(env, ...args);
      expect(ran.code, ran.stderr).toBe(0);
      return ran.stdout;
    };
    await root("image", "create", "house", "--file", guestImage);
    await root(
      "instance",
      "create",
      "sys1",
      "--image",
      "house",
      "--vcpus",
      "1",
      "--ram",
      "128M",
      "--network",
      "none",
      "--wait",
      "agent",
    );
    await root("image", "share", "house", "--with", "bob");
    await bob.create("mine", "--image", "house");
    await bob.guest("mine", "echo bob > /root/file; sync");
    await root("instance", "stop", "sys1");
    await root("instance", "start", "sys1", "--wait", "agent");
    await bob.ok("instance", "stop", "mine");
    await bob.ok("instance", "start", "mine", "--wait", "agent");
    expect(await bob.guest("mine", "cat /root/file")).toBe("bob");
    const refused = await rig.estratoWith(env, "image", "delete", "house");
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain("bob (1 disk)");
    expect(JSON.parse(await root("doctor", "-f", "json"))).toEqual([]);
    await sane(bob);
    await root("instance", "delete", "sys1", "-y");
    await bob.ok("instance", "delete", "mine", "-y");
    await root("image", "delete", "house");
  });

  it("cannot be made of a user's: libvirt would take the file away", async () => {
    await alice.ok("image", "create", "own", "--file", guestFile);
    await sure("chmod", "a+rx", alice.home, `${alice.home}/.local`);
    await alice.ok("image", "share", "own", "--public");
    const ran = await rig.estrato("instance", "create", "x", "--image", "own", "--network", "none");
    expect(ran.code).toBe(5);
    expect(ran.stderr).toContain("the system's libvirt would take the files away from alice");
    await rig.ok("image", "save", "own", "--file", `${rig.folder}/own.qcow2`);
    await alice.ok("image", "delete", "own");
  });
});
