import { beforeAll, describe, expect, it } from "vitest";
import { makeRig, type Rig, virsh } from "./rig.ts";

describe("the tree", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
  });
  const mark = (text: string) => rig.guest("web1", `echo ${text} >> /root/marks; sync`);
  const marks = async () => (await rig.guest("web1", "cat /root/marks")).split("\n");

  it("keeps each marker where it should be while snapshots between are deleted", async () => {
    for (const name of ["s1", "s2", "s3"]) {
      await mark(name);
      await rig.ok("snapshot", "create", "web1", name);
    }
    await rig.ok("snapshot", "revert", "web1/s2");
    await mark("s4");
    await rig.ok("snapshot", "create", "web1", "s4");

    const tree = await rig.json<{ roots: { name: string; children: { name: string; children: unknown[] }[] }[] }>(
      "snapshot",
      "tree",
      "web1",
    );
    expect(tree.roots[0]?.name).toBe("s1");
    expect(tree.roots[0]?.children[0]?.name).toBe("s2");
    const names = (tree.roots[0]?.children[0]?.children ?? []).map((node) => (node as { name: string }).name);
    expect(names).toContain("s3");
    expect(names).toContain("s4");

    await rig.ok("snapshot", "delete", "web1/s2");
    await rig.ok("snapshot", "delete", "web1/s1");
    await rig.ok("snapshot", "revert", "web1/s3");
    expect(await marks()).toEqual(["s1", "s2", "s3"]);
    await rig.ok("snapshot", "revert", "web1/s4");
    expect(await marks()).toEqual(["s1", "s2", "s4"]);
  });
});

describe("a tree of nine, deleted in random order", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("tree");
  });

  it("never changes what the remaining ones hold, running or stopped", async () => {
    // Three branches of three: a1-a2-a3; b1-b2-b3 from a1; c1-c2-c3 from b2.
    const branches: [string, string | null][] = [
      ["a", null],
      ["b", "a1"],
      ["c", "b2"],
    ];
    const copies = new Map<string, string>();
    for (const [branch, from] of branches) {
      if (from !== null) await rig.ok("snapshot", "revert", `tree/${from}`, "--discard", "-y");
      for (const index of [1, 2, 3]) {
        const name = `${branch}${index}`;
        await rig.guest("tree", `dd if=/dev/urandom of=/root/${name} bs=64k count=20 2>/dev/null; sync`);
        await rig.ok("snapshot", "create", "tree", name);
        copies.set(name, await rig.copyOf(name));
      }
    }
    const seed = Number(process.env.ESTRATO_TEST_SEED ?? Date.now() % 100_000);
    console.log(`ESTRATO_TEST_SEED=${seed}`);
    let random = seed;
    const next = (below: number) => {
      random = (random * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((random / 2_147_483_648) * below);
    };
    while (copies.size > 0) {
      const left = [...copies.keys()];
      const name = left[next(left.length)] as string;
      const running = (await virsh("domstate", "tree")) === "running";
      if (next(3) === 0) await rig.ok("instance", running ? "stop" : "start", "tree");
      await rig.ok("snapshot", "delete", `tree/${name}`);
      copies.delete(name);
      for (const [other, copy] of copies) await rig.requireSame(other, copy);
    }
    await rig.ok("instance", "stop", "tree");
    await rig.heal();
    // Only the image's layer and the head are left.
    expect(rig.layers()).toHaveLength(2);
    await rig.ok("instance", "start", "tree");
    expect(await rig.guest("tree", "ls /root | grep -c '^c'")).toBe("3");
  });
});
