import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { killAt, killPoints } from "./crash.ts";
import { libvirtd, makeRig, type Rig, virsh } from "./rig.ts";

/** What the guest says of itself: it lives in its RAM alone. */
const bootId = (rig: Rig) => rig.guest("web1", "cat /proc/sys/kernel/random/boot_id");
const memories = (rig: Rig) => readdirSync(`${rig.home}/memory`).length;
const withMemory = async (rig: Rig) =>
  (await rig.json<{ name: string; memory: boolean }[]>("snapshot", "list", "web1")).filter((one) => one.memory);

describe("kill -9 at every step", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
    await rig.guest("web1", "echo first > /root/log; sync");
  });

  it("of snapshot create --memory: the guest goes on without a reboot, and each snapshot that is there resumes", async () => {
    const boot = await bootId(rig);
    const points = await killPoints(rig, "snapshot", "create", "web1", "probe", "--memory");
    await rig.ok("snapshot", "delete", "web1/probe");
    expect(points.map(({ title }) => title)).toContain("Save the memory and switch the disks");
    for (const [index, point] of points.entries()) {
      await killAt(rig, point, "snapshot", "create", "web1", `killed-${index}`, "--memory");
      await rig.guest("web1", `echo killed-${index} >> /root/log; sync`);
      await rig.heal();
      expect(await virsh("domstate", "web1")).toBe("running");
      expect(await bootId(rig)).toBe(boot);
      expect(memories(rig)).toBe((await withMemory(rig)).length);
    }
    const last = (await withMemory(rig)).at(-1)?.name;
    expect(last).toBe(`killed-${points.length - 1}`);
    for (const { name } of await withMemory(rig)) {
      await rig.ok("snapshot", "revert", `web1/${name}`, "--discard", "-y");
      expect(await bootId(rig)).toBe(boot);
      expect(await rig.guest("web1", "tail -n 1 /root/log")).toBe(
        name === "killed-0" ? "first" : `killed-${Number(name.slice(7)) - 1}`,
      );
      if (name !== last) await rig.ok("snapshot", "delete", `web1/${name}`);
    }
  });

  it("of a revert to memory: it runs in one of the two states, whole, and reverts again", async () => {
    const [kept] = await withMemory(rig);
    const boot = await bootId(rig);
    const points = await killPoints(rig, "snapshot", "revert", `web1/${kept?.name}`);
    for (const point of points) {
      await rig.guest("web1", "echo only-in-the-present >> /root/log; sync");
      await killAt(rig, point, "snapshot", "revert", `web1/${kept?.name}`);
      await rig.heal();
      expect(await virsh("domstate", "web1")).toBe("running");
      expect(await bootId(rig)).toBe(boot);
      if ((await rig.guest("web1", "tail -n 1 /root/log")) === "only-in-the-present")
        await rig.ok("snapshot", "revert", `web1/${kept?.name}`, "--discard", "-y");
      expect(
        await rig.guest("web1", "grep -c only-in-the-present /root/log; dmesg | grep -c 'EXT4-fs error'; true"),
      ).toBe("0\n0");
    }
  });

  it("of estrato and its virsh while the memory is being saved: libvirt works on, and the next command waits for it", async () => {
    const boot = await bootId(rig);
    await rig.guest("web1", "dd if=/dev/urandom of=/run/ballast bs=1M count=40 2>/dev/null");
    for (const delay of INSTANTS_MS) {
      const steps = join(rig.folder, `orphan-${delay}.jsonl`);
      const env = { ESTRATO_TEST_STEPS: steps };
      const child = rig.start(env, "snapshot", "create", "web1", `orphan-${delay}`, "--memory");
      await saving(steps);
      await pause(delay);
      const virshs = childrenOf(child.pid);
      expect(virshs).not.toEqual([]);
      child.kill("SIGKILL");
      virshs.forEach(kill);
      await rig.heal();
      expect(await virsh("domstate", "web1")).toBe("running");
      expect(await bootId(rig)).toBe(boot);
      expect(memories(rig)).toBe((await withMemory(rig)).length);
    }
  });

  it("of libvirtd while it saves the memory: the guest goes on, and nothing is left over", async () => {
    const boot = await bootId(rig);
    for (const delay of INSTANTS_MS) {
      const steps = join(rig.folder, `lost-${delay}.jsonl`);
      const env = { ESTRATO_TEST_STEPS: steps };
      const ended = rig.estratoWith(env, "snapshot", "create", "web1", `lost-${delay}`, "--memory");
      await saving(steps);
      await pause(delay);
      await libvirtd("kill");
      await ended;
      await libvirtd("start");
      await rig.heal();
      expect(await virsh("domstate", "web1")).toBe("running");
      expect(await bootId(rig)).toBe(boot);
      expect(memories(rig)).toBe((await withMemory(rig)).length);
    }
  });
});

/** From when virsh is told to: before, in, and after the saving, on a quick machine and a slow one. */
const INSTANTS_MS = [10, 50, 120];
const pause = (ms: number) => new Promise((next) => setTimeout(next, ms));

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

/** Returns when the memory is about to be saved, of which a line in `steps` tells. */
async function saving(steps: string): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await pause(2)) {
    if (textOf(steps).includes("Save the memory")) return;
  }
  throw new Error("no memory is saved");
}

/** The processes that this one has started. */
function childrenOf(parent: number | undefined): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && textOf(`/proc/${name}/status`).includes(`\nPPid:\t${parent}\n`))
    .map(Number);
}

/** "" where it is not there. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
