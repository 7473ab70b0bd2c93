import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { makeRig, type Rig, small } from "./rig.ts";

const names = ["a", "b", "c", "d", "e"];

describe("forty commands at once on five instances", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    // Off: what is shown here is the store, and forty guests' worth of emulation would only be slow.
    for (const name of names) await rig.ok("instance", "create", name, "--image", "base", ...small, "--no-start");
  });

  it("loses no update, corrupts no JSON and never deadlocks", async () => {
    const commands: string[][] = [];
    for (const name of names) {
      for (const index of [1, 2, 3, 4])
        commands.push(["snapshot", "create", name, `s${index}`, "--lock-timeout", "300s"]);
      commands.push(["instance", "set", name, "--property", `p=${name}`, "--lock-timeout", "300s"]);
      commands.push(["image", "create", `image-${name}`, "--from-instance", name, "--lock-timeout", "300s"]);
      commands.push(["instance", "list", "-f", "json"]);
      commands.push(["snapshot", "list", name, "-f", "json"]);
    }
    expect(commands).toHaveLength(40);
    const ran = await Promise.all(commands.map((command) => rig.estrato(...command)));
    for (const [index, one] of ran.entries()) {
      const said = { command: commands[index], code: one.code, stderr: one.code === 0 ? "" : one.stderr };
      expect(said).toEqual({ command: commands[index], code: 0, stderr: "" });
    }
    JSON.parse(readFileSync(`${rig.home}/state.json`, "utf8"));
    const snapshots = await rig.json<{ name: string; instance: string }[]>("snapshot", "list");
    for (const name of names) {
      expect(
        snapshots
          .filter((one) => one.instance === name)
          .map((one) => one.name)
          .sort(),
      ).toEqual(["s1", "s2", "s3", "s4"]);
      expect((await rig.json<{ properties: object }>("instance", "show", name)).properties).toEqual({ p: name });
    }
    expect((await rig.json<unknown[]>("image", "list")).length).toBe(1 + names.length);
    await rig.heal();
  });
});
