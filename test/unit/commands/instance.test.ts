import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import instance from "../../../src/commands/instance/index.ts";
import type { Command } from "../../../src/core/model/host.ts";
import { MissingProgram } from "../../../src/host/process-failure.ts";
import { command } from "../core/world.ts";
import { domainOf, estate, run } from "./estate.ts";
import { reaching } from "./lines/instance-guest.ts";
import { looking } from "./lines/instance-look.ts";
import { making } from "./lines/instance-make.ts";
import { powering } from "./lines/instance-power.ts";
import { rebuilding } from "./lines/instance-rebuild.ts";
import { shelving } from "./lines/instance-shelf.ts";
import { testNoun } from "./verb-tests.ts";

await testNoun("instance", instance, { ...making, ...looking, ...powering, ...rebuilding, ...reaching, ...shelving });

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

test("instance console says how it is left, and exits as virsh did", async () => {
  const on = await estate();
  const host = { ...command(on).host, interactive: async () => 1 };
  for (const [line, key] of [
    ["instance console web1", "Ctrl-]"],
    ["instance console web1 --escape ^a", "Ctrl-A"],
    ["instance console web1 --escape ~", "~"],
  ] as const) {
    const { exit, stderr } = await run(on, line, { host, terminal: true });
    expect({ exit, stderr }).toEqual({
      exit: 1,
      stderr: `Connected with web1. Leave it with ${key}; Enter shows a prompt.\n`,
    });
  }
});

test("instance screenshot --dry-run writes no picture", async () => {
  const on = await estate();
  const host = { ...command(on).host, screenshot: async () => expect.unreachable() };
  const line = async (words: string) => (await run(on, `instance screenshot ${words} -n`, { host })).stdout;
  expect(await line("web1 /nowhere/s.png")).toBe("1. Write a picture of the screen of web1 to /nowhere/s.png\n");
  expect(await line("web1 -")).toBe("1. Write a picture of the screen of web1 to standard output\n");
  expect((await run(on, "instance screenshot web2 -n", { host })).exit).toBe(5);
});

test("instance top writes one below the other where the terminal cannot move its cursor", async () => {
  const on = await estate();
  const top = async (TERM: string) => {
    const how = { terminal: true, env: { TERM, NO_COLOR: "1" } };
    return (await run(on, "instance top web1 --count 2 -c name", how)).stdout;
  };
  expect(await top("xterm")).toBe("NAME\nweb1\n\u001b[2A\u001b[JNAME\nweb1\n");
  expect(await top("dumb")).toBe("NAME\nweb1\nNAME\nweb1\n");
});

test("instance console --type graphic opens virt-viewer on a desktop that has it, else says where the screen is", async () => {
  const on = await estate();
  Object.assign(domainOf(on, "web1"), { display: "vnc://127.0.0.1:0" });
  const asked: Command[] = [];
  const opened = { ...command(on).host, interactive: async (one: Command) => asked.push(one) - 1 };
  const line = "instance console web1 --type graphic";
  expect(await run(on, line, { host: opened, env: { DISPLAY: ":0" } })).toEqual({ exit: 0, stdout: "", stderr: "" });
  expect(asked).toEqual([
    {
      program: "virt-viewer",
      args: ["--connect", "qemu:///session", "--uuid", "00000000-0000-4000-8000-000000000001"],
    },
  ]);
  const missing = { ...command(on).host, interactive: () => Promise.reject(new MissingProgram("virt-viewer")) };
  const told = await run(on, line, { host: missing, env: { WAYLAND_DISPLAY: "wayland-0" } });
  expect(told).toMatchObject({ exit: 0, stderr: "virt-viewer is not installed.\n" });
  expect(told.stdout).toContain("The screen of web1: vnc://127.0.0.1:5900\n");
  const planned = await run(on, `${line} -n`, { host: opened, env: { DISPLAY: ":0" } });
  expect(planned.stdout).toContain("The screen of web1: vnc://127.0.0.1:5900\n");
  expect(asked).toHaveLength(1);
});

test.each([
  ["instance set web1 --property os_admin_user=maria", "maria"],
  ["instance set web1 --property os_distro=ubuntu", "ubuntu"],
  ["instance set web1 --property os_distro=plan9", "root"],
  ["instance set web1 --property k=v", "debian"], // as the name of its image begins
])("%s: instance ssh goes there as %s", async (line, user) => {
  const on = await estate();
  await run(on, line);
  let asked: readonly string[] = [];
  const interactive = async ({ args }: Command) => {
    asked = args;
    return 0;
  };
  await run(on, "instance ssh web1", { host: { ...command(on).host, interactive } });
  expect(asked.slice(-4)).toEqual(["-l", user, "--", "192.168.122.2"]);
});

test("instance ssh-config --install is included by ~/.ssh/config, once, and what stood there stays", async () => {
  const home = mkdtempSync(join(tmpdir(), "estrato-home-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  const on = await estate();
  mkdirSync(join(home, ".ssh"));
  writeFileSync(join(home, ".ssh/config"), "Host other\n  User me\n");
  for (const _ of [1, 2])
    expect((await run(on, "instance ssh-config --install", { env: { HOME: home } })).exit).toBe(0);
  expect(readFileSync(join(home, ".ssh/config"), "utf8")).toBe("Include estrato_config\n\nHost other\n  User me\n");
  expect(readFileSync(join(home, ".ssh/estrato_config"), "utf8")).toContain("\nHost web1 ");
  expect(statSync(join(home, ".ssh/estrato_config")).mode & 0o777).toBe(0o600);
});

test("instance ssh-config --install keeps bytes that are not UTF-8, and what it cannot read", async () => {
  const home = mkdtempSync(join(tmpdir(), "estrato-home-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  const config = join(home, ".ssh/config");
  const on = await estate();
  const install = () => run(on, "instance ssh-config --install", { env: { HOME: home } });
  mkdirSync(config, { recursive: true });
  expect(await install()).toMatchObject({ exit: 6, stderr: expect.stringContaining(`${config}: `) });
  expect(readdirSync(join(home, ".ssh"))).toEqual(["config"]);
  rmdirSync(config);
  const theirs = Buffer.from("# caf\xe9\nHost other\n", "latin1");
  writeFileSync(config, theirs);
  expect((await install()).exit).toBe(0);
  expect(readFileSync(config)).toEqual(Buffer.concat([Buffer.from("Include estrato_config\n\n"), theirs]));
});

describe("wait --for address", () => {
  const leased = async (givenAt: string) => {
    const on = await estate();
    const [domain, network] = [domainOf(on, "web1"), on.machine.networks.get("default")];
    Object.assign(domain, { agent: false, startedAt: "2025-01-01T11:00:00.000Z" });
    network?.leases.push({ mac: "52:54:00:00:00:01", ip: "192.168.122.2", givenAt });
    return run(on, "wait instance web1 --for address --timeout 2s");
  };

  test("is not content with a lease of an earlier boot", async () => {
    expect(await leased("2025-01-01T10:59:00.000Z")).toMatchObject({ exit: 7 });
  });

  test("is with one that was given since the guest runs", async () => {
    expect(await leased("2025-01-01T11:00:30.000Z")).toEqual({ exit: 0, stdout: "", stderr: "" });
  });
});

test.each([
  ["wait snapshot web1/first --for status=available", 0],
  ["wait snapshot web1/first --for status=expired --timeout 1s", 7],
  ["wait volume data1 --for status=available", 0],
  ["wait volume data2 --for status=available --timeout 1s", 7],
  ["wait backup nightly --for status=available", 0],
  ["wait backup nightly --target /backups --for status=available", 0],
  ["wait backup nightly --target /elsewhere --for status=available", 6],
  ["wait volume nosuch --for status=available", 4],
  ["wait volume data1 --for status=active", 2],
  ["wait backup nightly --for agent", 2],
])("%s: exit %d", async (line, exit) => {
  const result = await run(await estate(), line);
  expect(result).toMatchObject({ exit, stdout: "" });
});

test("instance stop --no-wait asks the guest alone", async () => {
  const on = await estate();
  Object.assign(domainOf(on, "web1"), { obedient: false });
  expect(await run(on, "instance stop web1 --no-wait")).toEqual({ exit: 0, stdout: "", stderr: "" });
  expect(domainOf(on, "web1").state).toBe("running");
});

test.each([
  ["wait instance web1 --for happiness", "not something to wait for"],
  ["wait image web1 --for status=active", 'NOUN "image": unknown'],
  ["wait web1 --for address", 'NOUN "web1": unknown. Did you mean "estrato wait instance web1"? Or one of snapshot, '],
  ["wait volume data1 --for status=available --target /backups", "--target is of backups, not of volumes"],
  ["wait instance web1 --for status=runing", '"runing": no instance ever has that status'],
])("exit 2 and one line: %s", async (line, words) => {
  const { exit, stdout, stderr } = await run(await estate(), line);
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
  expect(stderr).toMatch(/^estrato: [^\n]*\n$/);
  expect(stderr).toContain(words);
});
