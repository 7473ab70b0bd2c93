import { copyFileSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type KillPoint, killAt, killPoints } from "./crash.ts";
import { sure } from "./processes.ts";
import { guestImage } from "./rig.ts";
import { makeUsers, type User } from "./users.ts";

describe("kill -9 at every step of sharing", () => {
  let alice: User;
  let bob: User;
  let file = "";
  beforeAll(async () => {
    [alice, bob] = (await makeUsers("alice", "bob")) as [User, User];
    // Who looks has a store: a missing one is no empty one.
    await bob.ok("flavor", "create", "own", "--vcpus", "1", "--ram", "64M", "--disk", "16M");
    const from = join(process.env.ESTRATO_BED_DIR as string, "guest.qcow2");
    copyFileSync(guestImage, from);
    await sure("chmod", "644", from);
    await alice.ok("image", "create", "golden", "--file", from);
    await sure("chmod", "a+x", alice.home, `${alice.home}/.local`, `${alice.home}/.local/share`);
    file = `${alice.store}/layers/${readdirSync(`${alice.store}/layers`)[0]}`;
  });

  const heal = async (user: User) => {
    await user.ok("doctor", "--repair", "-y");
    expect(JSON.parse(await user.ok("doctor", "-f", "json")), user.name).toEqual([]);
  };
  const shares = () => readdirSync(`${alice.store}/shares`);
  const mayRead = async (user: User) => (await user.run("dd", `if=${file}`, "of=/dev/null", "count=1")).code === 0;
  /** What the record says is what bob meets. Returns it. */
  const requireAgreement = async (point: KillPoint): Promise<boolean> => {
    const { visibility } = JSON.parse(await alice.ok("image", "show", "golden", "-f", "json")) as {
      visibility: string;
    };
    const isShared = visibility !== "private";
    expect(await mayRead(bob), point.title).toBe(isShared);
    expect(await bob.ok("image", "list", "-f", "value", "-c", "name"), point.title).toBe(isShared ? "golden" : "");
    if (!isShared) expect(shares(), point.title).toEqual([]);
    return isShared;
  };

  it("of image share and of image unshare: what is recorded is what others can do", async () => {
    const share = ["image", "share", "golden", "--with", "bob"];
    const points = [await killPoints(alice, ...share), await killPoints(alice, "image", "unshare", "golden")].flat();
    expect(points.length).toBeGreaterThan(15);
    let isShared = false;
    for (const point of points) {
      const isOpening = point.at.startsWith("image.share");
      if (isShared === isOpening) await alice.ok(...(isOpening ? ["image", "unshare", "golden"] : share));
      await killAt(alice, point, ...(isOpening ? share : ["image", "unshare", "golden"]));
      await heal(alice);
      isShared = await requireAgreement(point);
    }
    if (!isShared) await alice.ok(...share);
  });

  it("of a volume and an instance on somebody else's image: he knows of exactly those that are there", async () => {
    const marks = () => {
      const id = shares().find((name) => !name.endsWith(".json"));
      return readdirSync(`${alice.store}/shares/${id}/${bob.uid}`);
    };
    const made = {
      volume: ["volume", "create", "--trust-owner"],
      instance: ["instance", "create", "--trust-owner", "--network", "none", "--no-start", "--ram", "128M"],
    };
    for (const [noun, words] of Object.entries(made)) {
      const from = noun === "volume" ? "--from-image" : "--image";
      const points = await killPoints(bob, ...words, "probe", from, "golden");
      await bob.ok(noun, "delete", "probe", "-y");
      for (const [index, point] of points.entries()) {
        await killAt(bob, point, ...words, `n${index}`, from, "golden");
        await heal(bob);
        await heal(alice);
        const names = await bob.ok(noun, "list", "-f", "value", "-c", "name");
        expect(marks(), point.title).toHaveLength(names === "" ? 0 : 1);
        if (names !== "") await bob.ok(noun, "delete", `n${index}`, "-y");
        expect(marks(), point.title).toEqual([]);
      }
    }
  });

  it("of a volume on a copy of it: it is there or not, and no part of a copy is left", async () => {
    const words = ["volume", "create", "copied", "--from-image", "golden"];
    const files = () => readdirSync(`${bob.store}/layers`);
    const points = await killPoints(bob, ...words);
    await alice.ok("image", "unshare", "golden"); // nobody stands on it
    await alice.ok("image", "share", "golden", "--with", "bob");
    await bob.ok("volume", "delete", "copied", "-y");
    for (const point of points) {
      await killAt(bob, point, ...words);
      await heal(bob);
      const names = await bob.ok("volume", "list", "-f", "value", "-c", "name");
      expect(await bob.ok("image", "list", "-f", "value", "-c", "owner"), point.title).toBe("alice");
      if (names !== "") await bob.ok("volume", "delete", "copied", "-y");
      expect(files(), point.title).toEqual([]);
    }
  });

  it("and a header that its owner rewrites to name a file of the borrower's gives him nothing of that", async () => {
    const secret = `${bob.home}/secret.qcow2`;
    expect((await bob.run("qemu-img", "create", "-f", "qcow2", secret, "16M")).code).toBe(0);
    expect((await alice.run("chmod", "600", file)).code).toBe(0);
    expect((await alice.run("qemu-img", "rebase", "-u", "-f", "qcow2", "-b", secret, "-F", "qcow2", file)).code).toBe(
      0,
    );
    expect((await alice.run("setfacl", "-m", `u:bob:r`, file)).code).toBe(0);
    for (const trust of [[], ["--trust-owner"]]) {
      const said = await bob.refused(6, "volume", "create", "stolen", "--from-image", "golden", ...trust);
      expect(said).toContain("backing file");
    }
    expect(readdirSync(`${bob.store}/layers`)).toEqual([]);
    expect((await alice.run("qemu-img", "rebase", "-u", "-f", "qcow2", "-b", "", file)).code).toBe(0);
    await alice.ok("image", "unshare", "golden");
    await alice.ok("image", "delete", "golden");
    expect(existsSync(file)).toBe(false);
  });
});
