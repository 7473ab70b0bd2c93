import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
import { type Bare, makeBare } from "./bare.ts";
import { killPoints } from "./crash.ts";
import { libvirtd, makeRig, type Rig, virsh } from "./rig.ts";

describe("libvirtd gone in the midst of an operation that began another, and back later", () => {
  let rig: Rig;
  let guest: Bare;
  let target: string;
  beforeAll(async () => {
    rig = await makeRig();
    guest = await makeBare(rig, "web1");
    target = join(rig.folder, "target");
    mkdirSync(target);
  });
  const journal = () => readdirSync(join(rig.home, "journal")).filter((name) => name.startsWith("op-"));
  const snapshots = async () => (await rig.json<{ name: string }[]>("snapshot", "list")).map(({ name }) => name);
  let byte = 0x40;

  /**
   * Runs the command, stops it behind that step of the snapshot in it, takes libvirtd away, and lets it go on to its
   * end.
   */
  const withoutLibvirtd = async (at: string, command: readonly string[]): Promise<number | null> => {
    const child = rig.start({ ESTRATO_TEST_STOP: at }, ...command);
    const ended = new Promise<number | null>((done) => child.once("exit", done));
    await until(`it stands still at ${at}`, async () => stateOf(child.pid) === "T");
    await libvirtd("kill");
    child.kill("SIGCONT");
    return ended;
  };

  it.each([
    [
      "a backup",
      ["freeze-layers", "switch-disks", "compare"],
      () => ["backup", "web1", "--rotation", "3", "--target", target, "--quiesce", "off"],
    ],
    ["an image", ["switch-disks"], () => ["image", "create", "golden", "--from-instance", "web1"]],
  ])("%s leaves no snapshot behind, and nothing that has not ended", async (what, steps, command) => {
    await rig.ok("snapshot", "create", "web1", "kept");
    const whole = await killPoints(rig, ...command());
    if (what === "an image") await rig.ok("image", "delete", "golden");
    for (const step of steps) {
      const point = whole.find(({ at, id }) => at.startsWith("snapshot.create") && id === step);
      if (point === undefined) throw new Error(`a snapshot has no step ${step}`);
      byte += 1;
      await guest.write(byte);
      expect(await withoutLibvirtd(point.at.replace("before", "after"), command()), step).not.toBe(0);
      // Neither is closed while the other is open.
      expect(journal().length, step).toBe(2);
      await libvirtd("start");
      await rig.heal();
      expect(journal(), step).toEqual([]);
      expect(await snapshots(), step).toEqual(["kept"]);
      expect(await guest.read(), step).toBe(byte);
      await virsh("destroy", "web1");
      await rig.ok("instance", "start", "web1");
      expect(await guest.read(), step).toBe(byte);
    }
    await rig.ok("snapshot", "delete", "web1/kept");
    await rig.heal();
  });

  it("stopped and not gone, is told of, and one signal ends a command that waits for it", async () => {
    await rig.ok("snapshot", "create", "web1", "before");
    const daemon = Number(readFileSync("/run/libvirtd.pid", "utf8"));
    const limit = { ESTRATO_HOST_TIMEOUT: "3" };
    byte += 1;
    await guest.write(byte);
    const point = (await killPoints(rig, "snapshot", "create", "web1", "s0")).find(({ id }) => id === "switch-disks");
    if (point === undefined) throw new Error("a snapshot has no step switch-disks");
    const stopped = rig.start({ ...limit, ESTRATO_TEST_STOP: point.at }, "snapshot", "create", "web1", "s1");
    const ended = new Promise<number | null>((done) => stopped.once("exit", done));
    await until("it stands still", async () => stateOf(stopped.pid) === "T");
    process.kill(daemon, "SIGSTOP");
    try {
      stopped.kill("SIGCONT");
      expect(await ended).toBe(7);
      expect(journal()).toHaveLength(1);
      for (const words of [["instance", "list"], ["doctor"], ["snapshot", "create", "web1", "s2"]]) {
        const { code, stderr } = await rig.estratoWith(limit, ...words);
        expect({ code, stderr }, words.join(" ")).toEqual({
          code: 7,
          stderr: expect.stringMatching(/no answer within/),
        });
      }
      for (const words of [
        ["instance", "list"],
        ["snapshot", "create", "web1", "s3"],
      ]) {
        const child = rig.start({}, ...words);
        const over = new Promise<number | null>((done) => child.once("exit", done));
        await until("it waits for virsh", async () => childrenOf(child.pid) > 0);
        child.kill("SIGTERM");
        expect(await over, words.join(" ")).toBe(143);
      }
    } finally {
      process.kill(daemon, "SIGCONT");
    }
    await rig.heal();
    expect(journal()).toEqual([]);
    expect(await guest.read()).toBe(byte);
    await rig.requireSame("before", await rig.copyOf("before"));
    await rig.ok("snapshot", "create", "web1", "after");
  });
});

/** As /proc says: T is stopped. */
function stateOf(pid: number | undefined): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
}

/** How many processes it has started that are there. */
function childrenOf(pid: number | undefined): number {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).length;
}
