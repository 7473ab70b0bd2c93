import { chmodSync, copyFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
import { killAt, killPoints } from "./crash.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig, small, virsh } from "./rig.ts";

interface Finding {
  readonly subject: string;
  readonly problem: string;
  readonly result: string;
}

describe("doctor", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.ok("volume", "create", "data1", "--size", "64M");
    await rig.create("web1", "--volume", "data1");
    await rig.ok("instance", "create", "web2", "--image", "base", ...small, "--no-start");
    await rig.ok("volume", "create", "spare", "--size", "16M");
  });
  const head = async (name: string) => {
    const { id } = await rig.json<{ id: string }>("volume", "show", name);
    const { volumes, layers } = rig.state();
    return layers[volumes[id]?.head ?? ""]?.file ?? "";
  };
  const only = (folder: string, of = "") =>
    `${rig.home}/${folder}/${readdirSync(`${rig.home}/${folder}`).find((name) => name.startsWith(of)) ?? ""}`;
  /** It exits with 9, names it, and changes nothing. */
  const finds = async (words: RegExp) => {
    const before = rig.state();
    const ran = await rig.estrato("doctor", "-f", "json");
    const found = JSON.parse(ran.stdout) as Finding[];
    expect([ran.code, found.map(({ subject, problem }) => `${subject}: ${problem}`)]).toEqual([
      9,
      [expect.stringMatching(words)],
    ]);
    expect(rig.state()).toEqual(before);
  };
  const mends = async (words: RegExp) => {
    await finds(words);
    await rig.heal();
  };
  /** Found, left as it is by a repair, and no longer found once a person has put it right. */
  const leaves = async (words: RegExp, putRight: () => unknown) => {
    await finds(words);
    expect((await rig.estrato("doctor", "--repair", "-y")).code).toBe(9);
    await finds(words);
    await putRight();
    await rig.heal();
  };
  const away = (path: string) => {
    renameSync(path, `${rig.folder}/away`);
    return () => renameSync(`${rig.folder}/away`, path);
  };

  it("puts a disk back that was taken out of a running guest, and it holds what it held", async () => {
    await until("the guest sees it", async () => (await rig.guest("web1", "ls /dev/vd? | wc -l")) === "3");
    const mark = await rig.guest(
      "web1",
      "for d in /dev/vd?; do s=$(cat /sys/block/$(basename $d)/size); [ $s = 131072 ] && printf mine | dd of=$d conv=notrunc,fsync 2>/dev/null && echo $s; done; true",
    );
    expect(mark).toBe("131072");
    await virsh("detach-disk", "web1", "vdb", "--persistent");
    await until("it is out", async () => !(await virsh("domblklist", "web1")).includes("vdb"));
    expect((await rig.estrato("volume", "detach", "web1", "data1")).code).toBe(9);
    await mends(/instance web1: its definition has no disk vdb, which data1 is/);
    expect(await virsh("domblklist", "web1")).toContain("vdb");
    await rig.ok("volume", "detach", "web1", "data1");
    expect(await sure("qemu-io", "-r", "-c", "read -v 0 4", await head("data1"))).toContain("mine");
    await rig.ok("volume", "attach", "web1", "data1");
    await rig.heal();
  });

  it("records who was given a volume as a disk, and names what of a volume is amiss", async () => {
    await virsh("attach-disk", "web2", await head("spare"), "vdb", "--subdriver", "raw", "--config");
    await leaves(/instance web2: its disk vdb is volume spare, which is not attached to it/, () =>
      virsh("detach-disk", "web2", "vdb", "--config"),
    );
    await virsh("attach-disk", "web2", await head("spare"), "vdb", "--subdriver", "qcow2", "--config");
    await mends(/instance web2: its disk vdb is volume spare, which is not attached to it/);
    await rig.ok("volume", "detach", "web2", "spare");
    await rig.heal();
    chmodSync(await head("spare"), 0o644);
    await mends(/its mode is 0644, and should be 0600: it is a head/);
    await leaves(/it is missing; volume spare needs it/, away(await head("spare")));
  });

  it("looks after memory: what is missing, what was cut, what nobody remembers, what can be written", async () => {
    await rig.ok("snapshot", "create", "web1", "m1", "--memory");
    const memory = only("memory");
    chmodSync(memory, 0o600);
    await mends(/its mode is 0600, and should be 0400/);
    await leaves(/it is missing; the memory of web1\/m1 needs it/, away(memory));
    const back = away(memory);
    writeFileSync(memory, "cut", { mode: 0o400 });
    await leaves(/it has 3 bytes, recorded are \d+; the memory of web1\/m1 needs it/, back);
    copyFileSync(memory, `${rig.home}/memory/snap-stray`);
    expect((await rig.estrato("doctor", "--repair")).code).toBe(8); // somebody's data: it asks
    await mends(/a memory of [\d.]+ [KM]iB that no snapshot remembers/);
    await leaves(/snapshot web1\/m1: its definition .* is missing/, away(only("records", "snap-")));
    await rig.ok("snapshot", "delete", "web1/m1");
  });

  it("looks after what is shelved: its address, its definition, its layers, a domain that should not be", async () => {
    await rig.ok("instance", "delete", "web2", "-y");
    await rig.ok("instance", "create", "cold", "--image", "base", ...small, "--no-start");
    const { id } = await rig.json<{ id: string }>("instance", "show", "cold");
    await rig.ok("shelve", "cold", "--offload", "-y");
    const mac = (await rig.json<{ macs: string[] }>("instance", "show", "cold")).macs[0];
    const host = (await virsh("net-dumpxml", "default")).split("\n").find((line) => line.includes(`${mac}`)) ?? "";
    await virsh("net-update", "default", "delete", "ip-dhcp-host", host.trim(), "--live", "--config");
    await mends(/instance cold: network default does not reserve/);
    await leaves(/instance cold: it is shelved, and its definition is missing/, away(only("records", "img-")));
    const packed = Object.values(rig.state().images).find(({ name }) => name === "cold-shelved")?.disks[0]?.layer ?? "";
    const file = rig.state().layers[packed]?.file ?? "";
    chmodSync(file, 0o600);
    await mends(/its mode is 0600, and should be 0400: it is frozen/);
    await leaves(/it is missing; .*cold.* needs it/, away(file));
    writeFileSync(`${rig.home}/layers/lay-stray.qcow2.part`, "half");
    await mends(/an empty file that nothing remembers/);
    const xml = `${rig.folder}/other.xml`;
    writeFileSync(
      xml,
      `<domain type='qemu'><name>other</name><uuid>${id}</uuid><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>`,
    );
    await virsh("define", xml);
    await leaves(/instance cold: it is shelved, and libvirt has a domain of its id/, () => virsh("undefine", "other"));
    await rig.ok("unshelve", "cold");
    await rig.heal();
  });

  it.each([
    ["switch-disks", ["snapshot", "create", "web1", "killed", "--memory"]],
    ["attach-disk", ["volume", "attach", "web1", "spare"]],
    ["detach-disk", ["volume", "detach", "web1", "spare"]],
    ["freeze-layers", ["shelve", "cold"]],
    ["pack-disks", ["shelve", "cold", "--offload", "-y"]],
    ["define-domain", ["unshelve", "cold"]],
  ])('ends what was killed at "%s", after it has named it', async (step, command) => {
    await again(command);
    const points = await killPoints(rig, ...command);
    const at = points.findIndex((one) => one.id === step);
    // The moment after it: what it did is there, and nobody has noted it.
    const point = points[at + 1];
    expect([at >= 0, point !== undefined]).toEqual([true, true]);
    await again(command);
    await killAt(rig, point as NonNullable<typeof point>, ...command);
    const looked = await rig.estrato("doctor", "-f", "json");
    const [first] = JSON.parse(looked.stdout) as Finding[];
    expect([looked.code, first?.problem]).toEqual([9, `"estrato ${command.join(" ")}" has not ended`]);
    await rig.heal();
    await again(command);
  });

  /** So that the command has something to do once more. */
  const again = async ([noun, verb]: readonly string[]) => {
    if (noun === "snapshot") {
      for (const { id } of await rig.json<{ id: string }[]>("snapshot", "list")) await rig.ok("snapshot", "delete", id);
    } else if (noun === "volume") {
      await rig.ok("volume", verb === "attach" ? "detach" : "attach", "web1", "spare");
    } else if (noun === "shelve") {
      if ((await rig.json<{ status: string }>("instance", "show", "cold")).status === "shelved")
        await rig.ok("unshelve", "cold");
    } else if ((await rig.json<{ status: string }>("instance", "show", "cold")).status !== "shelved") {
      await rig.ok("shelve", "cold");
    }
  };
});
