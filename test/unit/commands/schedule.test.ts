import { expect, test } from "vitest";
import { fakeIds } from "../../fake/clock.ts";
import { fakeHost, fakeMachine } from "../../fake/host.ts";
import { fakeDisk, fakeStore } from "../../fake/store.ts";
import { HOME, runLine } from "./line.ts";

/** A guest web1 on a machine with a crontab; each line of the program in a process of its own. */
function machine() {
  const on = { machine: fakeMachine(), disk: fakeDisk(), ids: fakeIds() };
  const host = fakeHost({ machine: on.machine });
  host.addFile("/disks/web1.qcow2", { content: { 0: "boot" } });
  host.addDomain({
    name: "web1",
    uuid: "11111111-2222-4333-8444-555555555555",
    disks: [{ device: "vda", path: "/disks/web1.qcow2", format: "qcow2" }],
  });
  host.machine.folders.add("/backups");
  const line = (...words: string[]) =>
    runLine(words, {
      store: fakeStore({ disk: on.disk }),
      host: fakeHost({ machine: on.machine }),
      ids: on.ids,
      env: { XDG_RUNTIME_DIR: "/run/user/1000" },
    });
  return { ...on, line };
}

const NIGHTLY = ["schedule", "create", "nightly", "--cron", "0 3 * * *"];

test("the chief form makes a schedule of backups, and its line remembers what cron does not know", async () => {
  const { line, machine: at } = machine();
  const words = ["--backup", "web1", "--rotation", "7", "--type", "daily", "--target", "/backups", "--incremental"];
  const made = await line(...NIGHTLY, ...words, "-f", "json");
  expect(made.stderr).toBe("");
  expect(JSON.parse(made.stdout)).toMatchObject({
    name: "nightly",
    kind: "backup",
    instance: "web1",
    cron: "0 3 * * *",
    last_result: null,
    task: { target: "/backups", type: "daily", incremental: true, compress: false, quiesce: "try", disks: [] },
    retention: { rotation: 7 },
    lock_timeout_ms: 3_600_000,
  });
  expect(at.crontab).toBe(
    `0 3 * * * XDG_RUNTIME_DIR=/run/user/1000 XDG_CONFIG_HOME=${HOME} /usr/bin/node /opt/estrato/bin/estrato schedule run sch-00000000000000001 ` +
      "--jitter --quiet --store /fake/estrato --connect qemu:///session # estrato:sch-00000000000000001\n",
  );
});

test("list, show, run and delete", async () => {
  const { line, machine: at } = machine();
  expect((await line(...NIGHTLY, "--snapshot", "web1", "--keep-daily", "7", "--keep-within", "2w")).exit).toBe(0);
  expect(await line("schedule", "run", "nightly", "--quiet")).toEqual({ exit: 0, stdout: "", stderr: "" });
  const shown = await line("schedule", "show", "nightly", "-f", "json");
  expect(JSON.parse(shown.stdout)).toMatchObject({
    last_result: "done",
    retention: { daily: 7, within_ms: 1_209_600_000 },
  });
  const listed = await line("schedule", "list", "-f", "value", "-c", "name", "-c", "instance", "-c", "last_result");
  expect(listed.stdout).toBe("nightly web1 done\n");
  expect(await line("schedule", "delete", "nightly")).toEqual({ exit: 0, stdout: "", stderr: "" });
  expect(at.crontab).toBe("");
  expect((await line("schedule", "list", "-f", "json")).stdout).toBe("[]\n");
});

test("what of each backup is verified is said when it is made, and changed", async () => {
  const { line } = machine();
  const words = ["--backup", "web1", "--rotation", "7", "--target", "/backups", "--verify", "5%"];
  const made = await line(...NIGHTLY, ...words, "-f", "json");
  expect(JSON.parse(made.stdout)).toMatchObject({ task: { verify: "5%" } });
  expect(await line("schedule", "run", "nightly", "--quiet")).toEqual({ exit: 0, stdout: "", stderr: "" });
  const set = await line("schedule", "set", "nightly", "--verify", "boot", "--console-text", "login:", "-f", "json");
  expect(JSON.parse(set.stdout)).toMatchObject({
    task: { verify: "boot", verify_timeout_ms: 300_000, console_text: "login:" },
  });
  expect(await line("schedule", "set", "nightly", "--no-verify")).toEqual({ exit: 0, stdout: "", stderr: "" });
  const shown = await line("schedule", "show", "nightly", "-f", "json");
  expect(JSON.parse(shown.stdout).task).toMatchObject({ verify: null });
  const neither = await line("schedule", "set", "nightly");
  expect(neither).toMatchObject({ exit: 2, stderr: expect.stringContaining("--verify and --no-verify") });
  await line("schedule", "create", "hourly", "--cron", "0 * * * *", "--snapshot", "web1", "--rotation", "2");
  const odd = await line("schedule", "set", "hourly", "--verify", "5%");
  expect(odd).toMatchObject({ exit: 2, stderr: expect.stringContaining("it takes snapshots") });
});

test("a run that fails says why on stderr, also with --quiet, and exits so", async () => {
  const { line, machine: at } = machine();
  await line(...NIGHTLY, "--snapshot", "web1", "--expire", "1d");
  at.domains.clear();
  const failed = await line("schedule", "run", "nightly", "--quiet");
  expect(failed).toMatchObject({ exit: 4, stdout: "" });
  expect(failed.stderr).toMatch(/^estrato: instance .*not found.*\n$/);
  const listed = await line("schedule", "list", "-f", "value", "-c", "last_result", "-c", "last_message");
  expect(listed.stdout).toMatch(/^not_found instance .* not found\n$/);
});

test.each([
  [["--cron", "0 3 * * *", "--rotation", "7"], 2, "give one of --backup and --snapshot"],
  [["--cron", "0 3 * * *", "--backup", "web1", "--snapshot", "web1", "--rotation", "7"], 2, "give one of"],
  [["--snapshot", "web1", "--rotation", "7"], 2, "--cron is missing"],
  [["--cron", "0 3 * * *", "--snapshot", "web1"], 2, "--rotation is missing"],
  [["--cron", "0 3 * * *", "--snapshot", "web1", "--rotation", "7", "--keep-daily", "2"], 2, "--keep-*"],
  [["--cron", "0 3 * * *", "--snapshot", "web1", "--rotation", "0"], 2, "--rotation"],
  [["--cron", "0 3 * * *", "--snapshot", "web1", "--rotation", "7", "--type", "daily"], 2, "--type does not go"],
  [["--cron", "0 3 * * *", "--snapshot", "web1", "--rotation", "7", "--compress"], 2, "--compress does not go"],
  [["--cron", "0 3 * * *", "--snapshot", "web1", "--expire", "1d", "--memory", "--quiesce", "require"], 2, "--memory"],
  [["--cron", "0 3 * * *", "--backup", "web1", "--target", "/backups", "--expire", "7d"], 2, "--expire does not go"],
  [["--cron", "0 3 * * *", "--backup", "web1", "--target", "/backups", "--memory"], 2, "--memory does not go"],
  [["--cron", "0 3 * * *", "--backup", "web1", "--rotation", "7"], 2, "--target is missing"],
  [["--cron", "0 3 * * *", "--snapshot", "web1", "--rotation", "7", "--verify", "5%"], 2, "--verify does not go"],
  ...["5", "0%", "101%", "0.5%", "1/20", "all"].map(
    (share) =>
      [
        ["--cron", "0 3 * * *", "--backup", "web1", "--target", "/backups", "--rotation", "7", "--verify", share],
        2,
        "not a share from 1% to 100%",
      ] as const,
  ),
  [
    ["--cron", "0 3 * * *", "--backup", "web1", "--target", "/backups", "--verify", "5%", "--console-text", "login:"],
    2,
    "--console-text is for --verify boot",
  ],
  [["--cron", "every night", "--snapshot", "web1", "--rotation", "7"], 2, "cron"],
  [["--cron", "0 3 * * *", "--snapshot", "web1", "--rotation", "7", "--zone", "Mars"], 2, "time zone"],
  [["--cron", "0 3 * * *", "--snapshot", "web9", "--rotation", "7"], 4, "web9: not found"],
] as const)("%j is refused with %i, and no line is written", async (words, exit, said) => {
  const { line, machine: at, disk } = machine();
  const refused = await line("schedule", "create", "nightly", ...words);
  expect(refused).toMatchObject({ exit, stdout: "" });
  expect(refused.stderr).toContain(said);
  expect(refused.stderr.trim().split("\n")).toHaveLength(1);
  expect([at.crontab, disk.state, disk.journal.size]).toEqual(["", null, 0]);
});

test("a machine without cron: 6, naming the package", async () => {
  const { line, machine: at } = machine();
  at.crontab = null;
  const refused = await line(...NIGHTLY, "--snapshot", "web1", "--rotation", "7");
  expect(refused).toMatchObject({ exit: 6, stderr: expect.stringContaining("Debian package cron") });
});

test("a dry run prints the commands and the lines", async () => {
  const { line, machine: at, disk } = machine();
  const plan = await line(...NIGHTLY, "--snapshot", "web1", "--rotation", "7", "--dry-run");
  expect(plan.stdout).toContain("crontab -");
  expect(plan.stdout).toContain("schedule run sch-");
  expect([at.crontab, disk.state]).toEqual(["", null]);
});
