import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { run, sure } from "./processes.ts";
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

/** As in a store of before anybody was asked whether a lender is trusted. */
const forgetTrust = (user: User) => {
  const file = `${user.store}/state.json`;
  const state = JSON.parse(readFileSync(file, "utf8"));
  for (const layer of Object.values(state.layers) as { borrowed?: { trusted?: true } }[])
    delete layer.borrowed?.trusted;
  writeFileSync(file, JSON.stringify(state));
};

const stateOf = (user: User) => JSON.parse(readFileSync(`${user.store}/state.json`, "utf8"));
/** The file of the only snapshot's layer. */
const snapshotFile = (user: User): string => {
  const { layers, snapshots } = stateOf(user);
  return layers[(Object.values(snapshots) as { disks: { layer: string }[] }[])[0]?.disks[0]?.layer ?? ""].file;
};
const volumeFile = (user: User, volume: string): string => {
  const { layers, volumes } = stateOf(user);
  return layers[
    (Object.values(volumes) as { name: string; head: string }[]).find(({ name }) => name === volume)?.head ?? ""
  ].file;
};

describe("a user's own libvirt", () => {
  it("has instances, snapshots with and without memory, reverts, shelves and volumes", async () => {
    await carol.ok("image", "create", "base", "--file", guestFile);
    await carol.makeKey();
    await carol.create("web1", "--image", "base", "--network", "user", "--key-name", "key");
    await carol.guest("web1", "echo one > /root/file; sync");
    await carol.ok("snapshot", "create", "web1", "s1");
    await carol.guest("web1", "echo two > /root/file; echo lives > /run/memory; sync");
    await carol.ok("snapshot", "create", "web1", "m1", "--memory");
    await carol.ok("snapshot", "revert", "web1/s1");
    await carol.ok("wait", "instance", "web1", "--for", "agent");
    expect(await carol.ssh("web1", "cat /root/file; ls /run/memory 2>/dev/null; true")).toBe("one");
    await carol.ok("snapshot", "revert", "web1/m1");
    expect(await carol.ssh("web1", "cat /root/file /run/memory")).toBe("two\nlives");
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
    expect(await carol.ssh("web1", "cat /root/file")).toBe("two");
    await sane(carol);
    await carol.ok("instance", "delete", "web1", "-y");
    await carol.ok("volume", "delete", "data1", "-y");
    await carol.ok("image", "delete", "base");
    expect(readdirSync(`${carol.store}/layers`)).toEqual([]);
    await sane(carol);
  });

  it("may be looked at where the store cannot be written to, and nothing is begun", async () => {
    const { store } = carol;
    await carol.ok("volume", "create", "data1", "--size", "1M");
    const shut = async (says: string) => {
      for (const line of ["volume create data2 --size 1M", "volume delete data1 -y", "doctor --repair -y"])
        expect(await carol.refused(6, ...line.split(" "))).toMatch(
          new RegExp(`^estrato: ${store}: ${says}[^\\n]*\\n?$`),
        );
      expect(await carol.ok("volume", "list", "-f", "value", "-c", "name")).toContain("data1");
      expect((await carol.estrato("doctor")).stdout).toContain(`nothing can be changed: ${store}: ${says}`);
    };
    await sure("chmod", "500", store);
    await shut("its owner may not write to it");
    await sure("chmod", "700", store);
    await sure("mount", "--bind", store, store);
    await sure("mount", "-o", "remount,ro,bind", store);
    await shut("the file system is read-only");
    await sure("umount", store);
    await carol.ok("volume", "delete", "data1", "-y");
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
    // A running guest with a snapshot, and a volume: the head takes in all, and files are copied under the others.
    await bob.ok("volume", "create", "data1", "--from-image", "golden", "--trust-owner");
    forgetTrust(bob);
    expect(await bob.refused(9, "doctor")).toContain("2 differences");
    const [copy, sums] = [`${bob.home}/before.qcow2`, await sure("sha256sum", ...before)];
    await sure("qemu-img", "convert", "-U", "-O", "qcow2", snapshotFile(bob), copy);
    await bob.ok("doctor", "--repair");
    expect(await sure("sha256sum", ...before)).toBe(sums);
    for (const name of readdirSync(`${bob.store}/layers`))
      expect(await sure("qemu-img", "info", "-U", `${bob.store}/layers/${name}`)).not.toContain(alice.store);
    await sure("qemu-img", "compare", snapshotFile(bob), copy);
    await sure("qemu-img", "compare", "-U", volumeFile(bob, "data1"), before[0] as string);
    await bob.ok("volume", "delete", "data1", "-y");
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
    forgetTrust(carol);
    await carol.ok("doctor", "--repair");
    expect(readdirSync(marks)).toEqual([]);
    await alice.ok("image", "unshare", "golden");
    expect(await carol.guest("hers", "echo 3 > /proc/sys/vm/drop_caches; cat /root/file")).toBe("golden");
    await sane(alice, carol);
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
    await root("instance", "create", "sys1", "--image", "house", "--vcpus", "1", "--ram", "128M", "--network", "none");
    await root("instance", "pause", "sys1"); // its QEMU has the files open: that is all that it is for
    await root("image", "share", "house", "--with", "bob");
    await bob.create("mine", "--image", "house");
    await bob.guest("mine", "echo bob > /root/file; sync");
    await root("instance", "stop", "sys1", "--force");
    await root("instance", "start", "sys1");
    await root("instance", "pause", "sys1");
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

/** No guest of these runs: what each verb answers to whom. estrato-users(7) has the same table. */
describe("whoever calls", () => {
  const raw = join(process.env.ESTRATO_BED_DIR as string, "bare.raw");
  const at = (home: string) => ["--store", home];
  const guest = ["--vcpus", "1", "--ram", "64M", "--network", "none", "--no-start"];
  const clear = (stderr: string) => expect(stderr).not.toMatch(/Permission denied|EACCES|EPERM|fault in estrato/);
  let rig: Rig;
  let gina: User;

  const root = async (code: number, ...args: string[]) => {
    const ran = await rig.estrato(...args);
    expect(ran.code, `${args.join(" ")}: ${ran.stderr}`).toBe(code);
    clear(ran.stderr);
    return ran.stderr;
  };

  beforeAll(async () => {
    rig = await makeRig();
    [gina] = (await makeUsers("gina")) as [User];
    await sure("usermod", "-aG", "libvirt", "gina");
    await sure("chmod", "700", gina.home);
    await sure("truncate", "-s", "8M", raw);
    await sure("chmod", "644", raw);
    await root(0, ...at("/var/lib/estrato"), "image", "create", "bare", "--file", raw, "--disk-format", "raw");
    await root(0, ...at("/var/lib/estrato"), "instance", "create", "sys1", "--image", "bare", ...guest);
    await sure("install", "-d", "/var/lib/libvirt/images");
    await sure("qemu-img", "create", "-q", "-f", "qcow2", "/var/lib/libvirt/images/plain.qcow2", "8M");
    const disk = "<driver name='qemu' type='qcow2'/><source file='/var/lib/libvirt/images/plain.qcow2'/>";
    const xml = `<domain type='qemu'><name>plain</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
      <disk type='file' device='disk'>${disk}<target dev='vda' bus='virtio'/></disk></devices></domain>`;
    writeFileSync(`${rig.folder}/plain.xml`, xml);
    await sure("virsh", "define", `${rig.folder}/plain.xml`);
  });

  it("as a member of the group libvirt sees and runs the system's guests, and makes nothing of them", async () => {
    const answers = (code: number, ...args: string[]) => gina.refused(code, "--connect", "qemu:///system", ...args);
    const makes = ["image", "create", "i", "--file", raw, "--disk-format", "raw"];
    const refused = [
      makes,
      ["volume", "create", "v", "--size", "8M"],
      ["snapshot", "create", "sys1", "s"],
      ["snapshot", "create", "plain", "s"],
      ["instance", "adopt", "plain"],
      ["image", "create", "i", "--from-instance", "plain"],
      ["shelve", "plain"],
      ["backup", "plain", "--rotation", "2", "--target", gina.home],
    ];
    for (const args of refused) {
      const said = await answers(6, ...args);
      expect(said, args.join(" ")).toContain("would take the store's files away from you");
      clear(said);
    }
    expect((await gina.run("sh", "-c", `ls ${gina.store}/state.json ${gina.store}/layers/*`)).code).not.toBe(0);
    await answers(0, "flavor", "create", "mini", "--vcpus", "1", "--ram", "64M", "--disk", "8M");
    for (const verb of [
      ["list"],
      ["show", "sys1"],
      ["start", "plain"],
      ["pause", "plain"],
      ["resume", "plain"],
      ["stop", "plain", "--force"],
    ])
      await answers(0, "instance", ...verb);
    const cron = ["--cron", "0 3 * * *", "--keep-last", "2"];
    expect(await answers(6, "schedule", "create", "s", "--snapshot", "plain", ...cron)).toContain("away from you");
    expect(await answers(5, "instance", "delete", "sys1", "-y")).toContain("the store /var/lib/estrato");
    expect(await sure("virsh", "domstate", "sys1")).toContain("shut off");
    await answers(0, "doctor");
    await root(0, ...at("/var/lib/estrato"), "doctor");
  });

  it("with a session of one's own makes all of it, in the home that nobody else enters", async () => {
    await gina.run("rm", "-rf", gina.store); // it was bound to the system's libvirt
    await gina.ok("image", "create", "bare", "--file", raw, "--disk-format", "raw");
    await gina.ok("instance", "create", "own", "--image", "bare", ...guest);
    await gina.ok("snapshot", "create", "own", "s");
    await gina.ok("snapshot", "revert", "own/s");
    await gina.ok("shelve", "own");
    await gina.ok("unshelve", "own");
    await gina.ok("instance", "start", "own");
    await gina.ok("instance", "stop", "own", "--force");
    await sane(gina);
    await gina.ok("instance", "delete", "own", "-y");
    await gina.ok("image", "delete", "bare");
  });

  it("has lines in a crontab of one's own, through crontab(1)", async () => {
    const home = `${gina.home}/its store 100%`;
    const ok = async (...args: string[]) => {
      const { code, stderr } = await gina.estratoWith({ ESTRATO_HOME: home }, ...args);
      expect({ code, stderr }, args.join(" ")).toMatchObject({ code: 0 });
    };
    await ok("image", "create", "bare", "--file", raw, "--disk-format", "raw");
    await ok("instance", "create", "own", "--image", "bare", ...guest);
    await ok("schedule", "create", "mine", "--snapshot", "own", "--cron", "0 3 * * *", "--expire", "1d");
    const listed = await sure("crontab", "-l", "-u", gina.name);
    expect(listed).toContain(`--store '${home.replace("%", "\\%")}' --connect qemu:///session # estrato:sch-`);
    expect((await run("grep", ["-rF", home, "/etc/cron.d"])).stdout).toBe("");
    await ok("schedule", "delete", "mine");
    expect((await run("crontab", ["-l", "-u", gina.name])).stdout).toBe("");
    await ok("instance", "delete", "own", "-y");
    await ok("image", "delete", "bare");
  });

  it("as root, with a store in a closed home: nothing is made before the way is open, and then all is", async () => {
    const second = `${gina.home}/second`;
    const image = [...at(second), "image", "create", "bare", "--file", raw, "--disk-format", "raw"];
    const said = await root(6, ...image);
    const line = /Open the way: (.*)\.\n/.exec(said)?.[1] ?? "";
    expect(line).toBe(`setfacl -m u:libvirt-qemu:x ${gina.home}`);
    await root(6, ...at(second), "volume", "create", "v", "--size", "8M");
    expect((await gina.run("sh", "-c", `ls ${second}/state.json`)).code).not.toBe(0);
    await sure("sh", "-c", line);
    await root(0, ...image);
    await root(0, ...at(second), "instance", "create", "two", "--image", "bare", ...guest);
    await root(0, ...at(second), "instance", "start", "two");
    await root(0, ...at(second), "instance", "stop", "two", "--force");
    // What is another store's is seen, and is that store's to change.
    await root(0, ...at(second), "instance", "show", "sys1");
    await root(5, ...at(second), "snapshot", "create", "sys1", "s");
    await root(5, ...at(second), "instance", "delete", "sys1", "-y");
    // One without a layer of its own, too: libvirt's definition says whose it is.
    await root(0, ...at("/var/lib/estrato"), "instance", "adopt", "plain");
    const plain = ["instance", "set", "plain", "--property", "tier=a"];
    for (const refused of [
      ["instance", "adopt", "plain"],
      ["instance", "adopt", "--take-over", "-y", "plain"],
      ["snapshot", "create", "plain", "s"],
      ["instance", "resize", "plain", "--vcpus", "2"],
      ["instance", "delete", "plain", "-y"],
      plain,
    ])
      expect(await root(5, ...at(second), ...refused), refused.join(" ")).toContain("the store /var/lib/estrato");
    await root(0, ...at("/var/lib/estrato"), "instance", "release", "plain");
    await root(0, ...at(second), ...plain);
    expect(await root(5, ...at("/var/lib/estrato"), ...plain)).toContain(`it belongs to the store ${second}`);
    await root(0, ...at(second), "instance", "release", "plain");
    expect(await sure("virsh", "dumpxml", "plain")).not.toContain("estrato");
    // Closed again: what is there can still be kept and given up.
    await sure("setfacl", "-b", gina.home);
    await root(0, ...at(second), "snapshot", "create", "two", "s");
    await root(6, ...at(second), "snapshot", "revert", "two/s");
    await root(0, ...at(second), "instance", "delete", "two", "-y");
    await root(0, ...at(second), "image", "delete", "bare");
    await root(0, ...at(second), "doctor");
  });

  it("as root behind sudo is told where the environment of the caller leads, and owns what the caller makes", async () => {
    // A bed names its libvirt: what is not set leads nowhere.
    const env = {
      SUDO_UID: String(gina.uid),
      SUDO_USER: "gina",
      LIBVIRT_DEFAULT_URI: "",
      ESTRATO_HOME: rig.home,
    };
    const ran = await rig.estratoWith(env, "volume", "create", "hers", "--size", "8M", "-f", "value", "-c", "owner");
    expect(ran).toMatchObject({
      code: 0,
      stdout: "gina\n",
      stderr: `behind sudo: ESTRATO_HOME leads to the store ${rig.home}, not to root's own, /var/lib/estrato\n`,
    });
    const named = await rig.estratoWith(env, ...at(rig.home), "volume", "delete", "hers", "-y");
    expect(named).toMatchObject({ code: 0, stderr: "" });
  });
});
