/** Debian's own cron runs what was scheduled, says nothing where it went well, and mails what failed. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../wait.ts";
import { killAt, killPoints } from "./crash.ts";
import { run, sure } from "./processes.ts";
import { makeRig, type Rig } from "./rig.ts";

const FILE = "/etc/cron.d/estrato";
const THEIRS = "PATH=/usr/bin:/bin\n0 0 1 1 * root true\n";
let rig: Rig;
let mails: string;
let cron: ChildProcess | undefined;

interface Row {
  readonly name: string;
  readonly last_result: string | null;
  readonly last_message: string | null;
  readonly last_run_at: string | null;
  readonly next_run_at: string;
}

const row = async (name: string) => (await rig.json<Row[]>("schedule", "list")).find((one) => one.name === name);
const taken = async (name: string) =>
  (await rig.json<{ id: string; properties: Record<string, string> }[]>("snapshot", "list")).filter(
    ({ properties }) => properties.schedule === name,
  );
/** Newer crons write quoted-printable, and break lines in it. */
const mail = () => (existsSync(mails) ? readFileSync(mails, "utf8").replaceAll("=\n", "") : "");

function startCron(): void {
  cron = spawn("cron", ["-f"], { stdio: "ignore" });
}

async function stopCron(): Promise<void> {
  const running = cron;
  cron = undefined;
  if (running === undefined) return;
  const gone = new Promise((done) => running.once("exit", done));
  running.kill();
  await gone;
}

beforeAll(async () => {
  rig = await makeRig();
  await rig.create("web1");
  mails = join(rig.folder, "mails");
  // What cron hands its mail to; there is no mail server here.
  writeFileSync("/usr/sbin/sendmail", `#!/bin/sh\nexec cat >>${mails}\n`);
  chmodSync("/usr/sbin/sendmail", 0o755);
  rmSync(FILE, { force: true });
  writeFileSync(FILE, THEIRS);
});

afterAll(stopCron);

test("cron takes a snapshot within its minute, keeps as many as it should, and mails nothing", async () => {
  const made = await rig.json<Row>(
    "schedule",
    "create",
    "minutely",
    "--snapshot",
    "web1",
    "--cron",
    "* * * * *",
    "--rotation",
    "1",
  );
  expect(Date.parse(made.next_run_at) - Date.now()).toBeLessThanOrEqual(60_000);
  expect(made.last_result).toBeNull();
  await rig.guest("web1", "echo before >/root/word && sync");
  startCron();
  await until("cron ran it", async () => (await row("minutely"))?.last_result != null);
  expect(await row("minutely")).toMatchObject({ last_result: "done", last_message: null });
  const [first] = await taken("minutely");
  await rig.guest("web1", "echo after >/root/word && sync");
  await rig.ok("check");
  await until("cron ran it again", async () => (await taken("minutely"))[0]?.id !== first?.id);
  expect(await taken("minutely")).toHaveLength(1);
  expect(mail()).toBe("");
  await rig.ok("schedule", "delete", "minutely", "--lock-timeout", "60s"); // it may be at work
  expect(readFileSync(FILE, "utf8")).toBe(THEIRS);
  await until("its last run is over", async () => (await run("pgrep", ["-f", "schedule run"])).code !== 0);
  await rig.heal();
});

test("cron takes backups, each on the one before, rotates them, and check sees them", async () => {
  const target = join(rig.folder, "backups");
  await sure("install", "-d", target);
  const words = ["--backup", "web1", "--target", target, "--incremental", "--rotation", "1", "--cron", "* * * * *"];
  await rig.ok("schedule", "create", "copies", ...words);
  const there = () => rig.json<{ id: string; type: string }[]>("backup", "list", "--target", target);
  await until("cron took one", async () => (await row("copies"))?.last_result === "done");
  const [first] = await there();
  expect(first).toMatchObject({ type: "copies" });
  await until("cron took another", async () => (await there())[0]?.id !== first?.id);
  await rig.ok("schedule", "delete", "copies", "--lock-timeout", "60s");
  expect(await there()).toHaveLength(1);
  await rig.ok("backup", "verify", "--all", "--target", target);
  const file = join(rig.folder, "estrato.prom");
  expect((await rig.ok("check", "web1", "--critical-age", "1h", "--prometheus", file)).startsWith("OK - ")).toBe(true);
  expect(readFileSync(file, "utf8")).toContain('estrato_chain_layers{instance="web1"}');
  expect(mail()).toBe("");
  await rig.heal();
});

test("what a night took is verified: a share that is damaged fails it, check warns, and the next is not built on it", async () => {
  const target = join(rig.folder, "nights");
  await sure("install", "-d", target);
  const words = ["--backup", "web1", "--target", target, "--incremental", "--rotation", "5", "--cron", "0 3 * * *"];
  await rig.ok("schedule", "create", "nights", ...words, "--verify", "50%");
  await rig.ok("schedule", "run", "nights");
  const there = () =>
    rig.json<{ id: string; status: string; incremental: boolean }[]>("backup", "list", "--target", target);
  const [full] = await there();
  const disk = join(target, full?.id ?? "", "vda.qcow2");
  const bytes = readFileSync(disk);
  // In each block that has sums of its own: of the two halves, one at least holds some.
  const spoilt = Buffer.from(bytes);
  for (let at = 0; at < bytes.length; at += 4 * 1024 ** 2) spoilt[at + 1024] = (spoilt[at + 1024] ?? 0) ^ 0xff;
  chmodSync(disk, 0o600);
  writeFileSync(disk, spoilt);
  chmodSync(disk, 0o400);
  const nights: { code: number | null; stderr: string }[] = [];
  for (let night = 0; night < 2 && nights.at(-1)?.code !== 9; night += 1)
    nights.push(await rig.estrato("schedule", "run", "nights", "--quiet"));
  expect(nights.at(-1)?.stderr).toMatch(/^estrato: backup bak-[0-9a-f]{17}: damaged: .*vda\.qcow2: changed between/m);
  expect(await row("nights")).toMatchObject({ last_result: "integrity" });
  expect((await there()).map(({ status }) => status)).not.toContain("available");
  expect((await rig.estrato("check")).stdout).toMatch(/^WARNING - .*nights failed: backup bak-.* damaged/);
  await rig.ok("schedule", "set", "nights", "--verify", "100%");
  await rig.ok("schedule", "run", "nights");
  expect((await there()).filter(({ status }) => status === "available")).toMatchObject([{ incremental: false }]);
  chmodSync(disk, 0o600);
  writeFileSync(disk, bytes);
  chmodSync(disk, 0o400);
  await rig.ok("backup", "verify", "--all", "--data-subset", "1%", "--target", target);
  expect((await there()).map(({ status }) => status)).not.toContain("damaged");
  await rig.ok("schedule", "delete", "nights");
  await rig.heal();
});

test("what fails is mailed by cron with the reason, is in the list, and check says so", async () => {
  await rig.ok("instance", "create", "web2", "--image", "base", "--vcpus", "1", "--ram", "128M", "--no-start");
  await rig.ok("schedule", "create", "broken", "--snapshot", "web2", "--cron", "* * * * *", "--expire", "1d");
  await sure("virsh", "undefine", "web2");
  await until("cron mailed it", async () => mail().includes("no domain"));
  expect(mail()).toMatch(/Subject: Cron <root@.*schedule run sch-/);
  expect(mail()).toMatch(/^estrato: instance .*libvirt has no domain/m);
  expect(await row("broken")).toMatchObject({ last_result: "integrity" });
  const checked = await rig.estrato("check");
  expect(checked.stdout).toMatch(/^(WARNING|CRITICAL) - .*broken failed: instance .* no domain[^\n]*\n$/);
  expect(checked.code).toBe(checked.stdout.startsWith("WARNING") ? 1 : 2);
  // With the instance its schedules go.
  await rig.ok("instance", "delete", "web2", "-y", "--lock-timeout", "60s");
  expect(await row("broken")).toBeUndefined();
  expect(readFileSync(FILE, "utf8")).toBe(THEIRS);
});

test("an instance that is shelved on purpose is no failure: nothing is taken, and nothing is mailed", async () => {
  const before = mail();
  await rig.ok("instance", "create", "web3", "--image", "base", "--vcpus", "1", "--ram", "128M", "--no-start");
  await rig.ok("schedule", "create", "asleep", "--snapshot", "web3", "--cron", "* * * * *", "--rotation", "1");
  await rig.ok("shelve", "web3", "--lock-timeout", "60s");
  await until("cron skipped it", async () => (await row("asleep"))?.last_result === "skipped");
  expect(await row("asleep")).toMatchObject({ last_message: "instance web3 is shelved: nothing is taken" });
  expect(await rig.ok("check", "web3")).toMatch(/^OK - 1 schedule, web3 is shelved \|/);
  expect(mail()).toBe(before);
  const command = ["instance", "delete", "web3", "-y", "--lock-timeout", "60s"];
  const plan = await rig.ok(...command, "--dry-run");
  expect(plan).toContain("asleep");
  await rig.ok(...command);
  expect(readFileSync(FILE, "utf8")).toBe(THEIRS);
  expect(await rig.json("doctor")).toEqual([]);
});

test("what was missed while the host was off is made up for when it starts, once", async () => {
  await stopCron();
  rmSync(mails, { force: true });
  const hook = join(rig.folder, "hook");
  const told = join(rig.folder, "told");
  writeFileSync(hook, `#!/bin/sh\necho "$ESTRATO_HOOK $ESTRATO_INSTANCE $ESTRATO_RESULT" >>${told}\n`, { mode: 0o755 });
  await rig.ok(
    "schedule",
    "create",
    "yearly",
    "--snapshot",
    "web1",
    "--cron",
    "0 0 1 1 *",
    "--rotation",
    "3",
    "--catch-up",
    "--hook-before",
    hook,
    "--hook-after",
    hook,
  );
  const file = join(rig.home, "state.json");
  const state = JSON.parse(readFileSync(file, "utf8"));
  for (const schedule of Object.values(state.schedules) as { createdAt: string }[])
    schedule.createdAt = "2020-06-01T00:00:00.000Z";
  writeFileSync(file, JSON.stringify(state));
  for (const boot of [1, 2]) {
    rmSync("/run/crond.reboot", { force: true });
    startCron();
    await until("cron has seen the boot", async () => existsSync("/run/crond.reboot"));
    await until("the missed run was made up for", async () => (await row("yearly"))?.last_result === "done");
    if (boot === 2) await new Promise((next) => setTimeout(next, 3_000));
    await until("nothing is at work", async () => (await run("pgrep", ["-f", "schedule run"])).code !== 0);
    expect(await taken("yearly"), `boot ${boot}`).toHaveLength(1);
    await stopCron();
  }
  expect(mail()).toBe("");
  expect(readFileSync(told, "utf8")).toBe("before web1 \nafter web1 done\n");
  await rig.ok("schedule", "delete", "yearly");
});

test("lines that somebody removed are found and put back, and lines that nothing remembers removed", async () => {
  await rig.ok("schedule", "create", "s1", "--snapshot", "web1", "--cron", "0 3 * * *", "--rotation", "3");
  const written = readFileSync(FILE, "utf8");
  writeFileSync(FILE, THEIRS);
  expect((await rig.estrato("doctor")).code).toBe(9);
  await rig.heal();
  expect(readFileSync(FILE, "utf8")).toBe(written);
  const stray = written
    .replaceAll(/sch-[0-9a-f]{17}/g, "sch-00000000000000000")
    .split("\n")
    .at(-2);
  writeFileSync(FILE, `${written}${stray}\n`);
  expect((await rig.estrato("doctor")).code).toBe(9);
  await rig.heal();
  expect(readFileSync(FILE, "utf8")).toBe(written);
  await rig.ok("schedule", "delete", "s1");
});

test("killed at any step, a schedule is there with its line or not at all", async () => {
  const create = (name: string) =>
    ["schedule", "create", name, "--snapshot", "web1", "--cron", "0 3 * * *", "--rotation", "3"] as const;
  const agree = async (where: string) => {
    await rig.heal();
    const listed = await rig.json<{ name: string; lines: string[] }[]>("schedule", "list");
    expect(readFileSync(FILE, "utf8"), where).toBe(
      THEIRS + listed.flatMap(({ lines }) => lines.map((line) => `${line}\n`)).join(""),
    );
    return listed.map(({ name }) => name);
  };
  const making = await killPoints(rig, ...create("k"));
  const unmaking = await killPoints(rig, "schedule", "delete", "k");
  expect([making.length, unmaking.length]).toEqual([3, 3]);
  for (const point of making) {
    await killAt(rig, point, ...create("k"));
    if ((await agree(`making, ${point.at}`)).includes("k")) await rig.ok("schedule", "delete", "k");
  }
  for (const point of unmaking) {
    await rig.ok(...create("k"));
    await killAt(rig, point, "schedule", "delete", "k");
    expect(await agree(`unmaking, ${point.at}`)).toEqual([]);
  }
  // And with its instance.
  const web4 = ["instance", "create", "web4", "--image", "base", "--vcpus", "1", "--ram", "128M", "--no-start"];
  const both = async () => {
    await rig.ok(...web4);
    await rig.ok("schedule", "create", "k", "--snapshot", "web4", "--cron", "0 3 * * *", "--rotation", "3");
  };
  await both();
  for (const point of await killPoints(rig, "instance", "delete", "web4", "-y")) {
    if (!point.at.startsWith("instance.delete")) continue;
    await both();
    await killAt(rig, point, "instance", "delete", "web4", "-y");
    expect(await agree(`with its instance, ${point.at}`)).toEqual([]);
    expect((await rig.estrato("instance", "show", "web4")).code).toBe(4);
  }
});
