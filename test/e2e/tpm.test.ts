import { existsSync, readdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type KillPoint, killAt, killPoints } from "./crash.ts";
import { run, sure } from "./processes.ts";
import { makeRig, type Rig, virsh } from "./rig.ts";
import { genid, makeTpmIndex, makeUefi, readTpm, tpmFile, writeTpm } from "./uefi-guest.ts";

const waiting = ["--wait", "agent", "--timeout", "15m"];

/** What a guest with UEFI writes to its emulated TPM, and finds there later. */
describe("a TPM", () => {
  let rig: Rig;
  let points: KillPoint[];
  const write = (word: string) => writeTpm(rig, "web1", word);
  const read = (instance = "web1") => readTpm(rig, instance);

  beforeAll(async () => {
    rig = await makeRig();
    await makeUefi(rig, "web1");
    await makeTpmIndex(rig, "web1");
  });

  it("has what it kept at the snapshot after a revert, and what it kept last after an unrevert", async () => {
    await write("first   ");
    const made = await rig.estrato("snapshot", "create", "web1", "s1");
    expect(made.code, made.stderr).toBe(0);
    expect(made.stderr).not.toContain("TPM");
    await write("second  ");
    points = await killPoints(rig, "snapshot", "revert", "web1/s1");
    expect(await read()).toBe("first   ");
    await rig.ok("snapshot", "unrevert", "web1");
    expect(await read()).toBe("second  ");
    await rig.heal();
  });

  it.each(["exchange-tpm", "release-new-heads"])(
    'is whole after a kill before "%s", where nobody can start the guest until recovery has gone on',
    async (step) => {
      const point = points.find((one) => one.id === step);
      if (point === undefined) throw new Error(`a revert has no step "${step}"`);
      await killAt(rig, point, "snapshot", "revert", "web1/s1");
      expect((await run("virsh", ["start", "web1"])).stderr).toContain("Permission denied");
      await rig.heal();
      await rig.ok("instance", "start", "web1", ...waiting);
      expect(await read()).toBe("first   ");
      await rig.ok("snapshot", "unrevert", "web1");
      expect(await read()).toBe("second  ");
    },
  );

  it("resumes with the memory that it belongs to", async () => {
    const boot = await rig.guest("web1", "cat /proc/sys/kernel/random/boot_id");
    const made = await rig.estrato("snapshot", "create", "web1", "m1", "--memory");
    expect(made.code, made.stderr).toBe(0);
    await write("too late");
    const before = await genid("web1");
    // Another TPM meanwhile: with the power off its state is only this file.
    await rig.ok("instance", "stop", "web1", "--force");
    await sure("truncate", "--size", "0", await tpmFile("web1"));
    await rig.ok("snapshot", "revert", "web1/m1");
    expect(await rig.guest("web1", "cat /proc/sys/kernel/random/boot_id")).toBe(boot);
    expect(await read()).toBe("second  ");
    expect(await genid("web1")).not.toBe(before);
  });

  it("is given to an image, and to an instance of that, which goes on with its own", async () => {
    await rig.ok("image", "create", "golden", "--from-snapshot", "web1/s1");
    await rig.ok("instance", "stop", "web1", "--force");
    await rig.ok("instance", "create", "web2", "--image", "golden", "--ram", "256M", "--key-name", "k", ...waiting);
    expect(await read("web2")).toBe("first   ");
    expect(await genid("web2")).not.toBe(await genid("web1"));
    await writeTpm(rig, "web2", "web2's  ");
    const folder = dirname(dirname(await tpmFile("web2")));
    await rig.ok("instance", "delete", "web2", "-y");
    expect(existsSync(folder)).toBe(false);
  });

  it("is shelved and comes back with its instance, which leaves nothing in libvirt's folder meanwhile", async () => {
    const folder = dirname(dirname(await tpmFile("web1")));
    await rig.ok("shelve", "web1");
    expect(existsSync(folder)).toBe(false);
    await rig.heal();
    await rig.ok("unshelve", "web1");
    await rig.ok("instance", "start", "web1", ...waiting);
    expect(await read()).toBe("second  ");
    await rig.heal();
    await rig.ok("image", "delete", "golden");
    await rig.ok("instance", "delete", "web1", "-y");
    expect(existsSync(folder)).toBe(false);
    expect(readdirSync(`${rig.home}/nvram`)).toEqual([]);
    expect(rig.layers().filter((name) => name.endsWith(".fd"))).toEqual([]);
  });

  it("that is encrypted travels as it is, with the same secret of libvirt's", async () => {
    const secret = "6f3c1e7a-2b4d-4c58-9c55-0d2f1f7e8a90";
    const file = `${rig.folder}/secret.xml`;
    const text = `<secret ephemeral='no' private='yes'><uuid>${secret}</uuid><usage type='vtpm'><name>web3</name></usage></secret>`;
    await sure("sh", "-c", `echo "${text}" > ${file}; printf password > ${rig.folder}/password`);
    await virsh("secret-define", file);
    await virsh("secret-set-value", secret, "--file", `${rig.folder}/password`, "--plain");
    await makeUefi(rig, "web3", `<encryption secret='${secret}'/>`);
    await makeTpmIndex(rig, "web3");
    await writeTpm(rig, "web3", "sealed  ");
    await rig.ok("snapshot", "create", "web3", "s1");
    await writeTpm(rig, "web3", "later   ");
    await rig.ok("snapshot", "revert", "web3/s1");
    expect(await readTpm(rig, "web3")).toBe("sealed  ");
    rmSync(file);
  });
});
