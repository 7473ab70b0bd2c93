import { resolve } from "node:path";
import { expect, test } from "vitest";
import instance from "../../../src/commands/instance/index.ts";
import type { Command } from "../../../src/core/model/host.ts";
import { command } from "../core/world.ts";
import { domainOf, estate, run } from "./estate.ts";
import { looking } from "./lines/instance-look.ts";
import { making } from "./lines/instance-make.ts";
import { powering } from "./lines/instance-power.ts";
import { shelving } from "./lines/instance-shelf.ts";
import { testNoun } from "./verb-tests.ts";

await testNoun("instance", instance, { ...making, ...looking, ...powering, ...shelving });

test("instance create --count tries all: one whose name is taken fails alone", async () => {
  const on = await estate();
  await run(on, "instance create web-2 --image debian12");
  const { exit, stdout, stderr } = await run(on, "instance create web --image debian12 --count 3 -f value -c name");
  expect({ exit, stdout }).toEqual({ exit: 3, stdout: "web-1\nweb-3\n" });
  expect(stderr).toContain("estrato: instance web-2: the name is taken.");
  expect(stderr.trimEnd().split("\n").at(-1)).toBe("estrato: 1 of 3 instances failed to create.");
});

test("instance ssh asks for no host key of a clone, and exits as the command did", async () => {
  const on = await estate();
  let asked: Command | null = null;
  const interactive = async (one: Command) => {
    asked = one;
    return 3;
  };
  const host = { ...command(on).host, interactive };
  const { exit, stderr } = await run(on, "instance ssh web1 -l debian -- uptime -p", { host });
  expect({ exit, stderr }).toEqual({ exit: 3, stderr: "" });
  const args = (asked as Command | null)?.args ?? [];
  expect(asked).toMatchObject({ program: "ssh" });
  expect(args).toContain("HostKeyAlias=00000000-0000-4000-8000-000000000001");
  expect(args.slice(-6)).toEqual(["-l", "debian", "--", "192.168.122.2", "uptime", "-p"]);
});

test("instance screenshot names the file that it wrote, INSTANCE.png where none is named", async () => {
  const on = await estate();
  const written: string[] = [];
  const host = { ...command(on).host, screenshot: async (_uuid: string, path: string) => void written.push(path) };
  for (const [words, path] of [
    ["web1", resolve("web1.png")],
    ["web1 /nowhere/screen.png", "/nowhere/screen.png"],
  ]) {
    const result = await run(on, `instance screenshot ${words}`, { host });
    expect(result).toEqual({ exit: 0, stdout: "", stderr: `${path}\n` });
    expect(written.pop()).toBe(path);
  }
});

test("instance console exits as virsh did", async () => {
  const on = await estate();
  const host = { ...command(on).host, interactive: async () => 1 };
  expect(await run(on, "instance console web1", { host })).toEqual({ exit: 1, stdout: "", stderr: "" });
});

test("instance stop --no-wait asks the guest alone", async () => {
  const on = await estate();
  Object.assign(domainOf(on, "web1"), { obedient: false });
  expect(await run(on, "instance stop web1 --no-wait")).toEqual({ exit: 0, stdout: "", stderr: "" });
  expect(domainOf(on, "web1").state).toBe("running");
});

test.each([
  ["wait instance web1 --for happiness", "not something to wait for"],
  ["wait image web1 --for status=active", "only instances"],
  ["wait instance web1 --for status=runing", '"runing": no instance ever has that status'],
])("exit 2 and one line: %s", async (line, words) => {
  const { exit, stdout, stderr } = await run(await estate(), line);
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
  expect(stderr).toMatch(/^estrato: [^\n]*\n$/);
  expect(stderr).toContain(words);
});
