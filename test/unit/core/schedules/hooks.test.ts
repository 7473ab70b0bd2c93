import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import type { Schedule } from "../../../../src/core/model/state.ts";
import { runSchedule } from "../../../../src/core/schedules/run.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { createHost } from "../../../../src/host/index.ts";
import { type Bed, command, stateOf } from "../world.ts";
import { create, launch, prepared, schedulesOf } from "./world.ts";

const BEFORE = "/etc/estrato/before";
const AFTER = "/etc/estrato/after";
const folder = mkdtempSync(join(tmpdir(), "estrato-hooks-"));
let scripts = 0;
afterAll(() => rmSync(folder, { recursive: true }));

/** A process that has ended and is not waited for yet is dead too. */
function alive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

const now = { catchUp: false, jitter: false };

async function withHooks(change: Partial<NonNullable<Schedule["hooks"]>> = {}): Promise<Bed> {
  const on = await prepared();
  for (const path of [BEFORE, AFTER]) command(on).host.addFile(path, { format: "raw", mode: 0o755 });
  await create(command(on), { hooks: { before: BEFORE, after: AFTER, timeoutMs: 1000, failure: "abort", ...change } });
  return on;
}

/** Hooks as they ran, and the snapshot between them. */
function order(world: ReturnType<typeof command>): string[] {
  return world.host.performed.flatMap((action) => {
    if (action.do === "run-hook")
      return [`${action.environment.ESTRATO_HOOK} ${action.environment.ESTRATO_RESULT ?? ""}`.trim()];
    return action.do === "switch-disks" ? ["taken"] : [];
  });
}

const failing = (what: string) => new EstratoError("failed", what);
const last = async (on: Bed) => (await schedulesOf(on))[0]?.last;
const count = async (on: Bed) => Object.keys((await stateOf(on)).snapshots).length;

describe("hooks", () => {
  test("run before and after, and know what it is about", async () => {
    const on = await withHooks();
    const world = command(on);
    await runSchedule(world, "nightly", now);
    expect(order(world)).toEqual(["before", "taken", "after done"]);
    const [first] = world.host.performed.filter((action) => action.do === "run-hook");
    expect(first).toEqual({
      do: "run-hook",
      path: BEFORE,
      timeoutMs: 1000,
      environment: {
        ESTRATO_HOME: "/fake/estrato",
        ESTRATO_HOOK: "before",
        ESTRATO_SCHEDULE: "nightly",
        ESTRATO_KIND: "snapshot",
        ESTRATO_INSTANCE: "web1",
        ESTRATO_INSTANCE_ID: "11111111-2222-4333-8444-555555555555",
      },
    });
    expect(await last(on)).toMatchObject({ result: "done", message: null });
  });

  test("the one before fails and a failure aborts: nothing is taken, the one after undoes, and the run failed", async () => {
    const on = await withHooks();
    const world = command(on);
    world.host.failNext("run-hook", failing("before: exit code 3"));
    await expect(runSchedule(world, "nightly", now)).rejects.toMatchObject({ code: "failed" });
    expect(order(world)).toEqual(["before", "after failed"]);
    expect(await count(on)).toBe(0);
    expect(await last(on)).toMatchObject({ result: "failed", message: "before: exit code 3" });
    expect((await schedulesOf(on))[0]?.lastGoodAt).toBeNull();
  });

  test("and a failure only warns: it is taken, and the list says so", async () => {
    const on = await withHooks({ failure: "warn" });
    const world = command(on);
    world.host.failNext("run-hook", new EstratoError("timeout", "before: it ran for longer than it may"));
    await runSchedule(world, "nightly", now);
    expect(order(world)).toEqual(["before", "taken", "after done"]);
    expect(await last(on)).toMatchObject({ result: "warned", message: "before: it ran for longer than it may" });
    expect((await schedulesOf(on))[0]?.lastGoodAt).not.toBeNull();
  });

  test("the one after fails and a failure aborts: the run failed, and what was taken stays", async () => {
    const on = await withHooks({ before: null });
    const world = command(on);
    world.host.failNext("run-hook", failing("after: exit code 1"));
    await expect(runSchedule(world, "nightly", now)).rejects.toMatchObject({ message: "after: exit code 1" });
    expect([await count(on), (await last(on))?.result]).toEqual([1, "failed"]);
  });

  test("the work fails: the one after is told so, and the first error is what comes out", async () => {
    const on = await withHooks({ failure: "warn" });
    const world = command(on);
    world.host.failNext("switch-disks", new EstratoError("host", "no"));
    await expect(runSchedule(world, "nightly", now)).rejects.toMatchObject({ code: "host" });
    expect(order(world)).toEqual(["before", "taken", "after host"]);
  });

  test("the work is interrupted: the one after undoes all the same, and is told so", async () => {
    const on = await withHooks();
    const ending = new AbortController();
    const world = command(on, { signal: ending.signal });
    const { perform } = world.host;
    world.host.perform = async (action, how) => {
      if (action.do === "run-hook" && how?.signal?.aborted) throw new EstratoError("interrupted", "interrupted");
      await perform(action, how);
      if (action.do === "switch-disks") ending.abort();
    };
    await expect(runSchedule(world, "nightly", now)).rejects.toMatchObject({ code: "interrupted" });
    expect(order(world)).toEqual(["before", "taken", "after interrupted"]);
  });

  test("one that has come into other hands since is not run", async () => {
    for (const spoil of [{ mode: 0o777 }, { mode: 0o644 }, { mode: 0o775 }, { uid: 1000 }]) {
      const on = await withHooks();
      Object.assign(on.machine.files.get(BEFORE) ?? {}, spoil);
      const world = command(on);
      await expect(runSchedule(world, "nightly", now)).rejects.toMatchObject({ code: "host" });
      expect(order(world)).toEqual(["after host"]);
    }
  });

  test("a dry run shows them in their places, and runs none", async () => {
    const on = await withHooks();
    const world = command(on, { dryRun: true });
    const plan = await runSchedule(world, "nightly", now);
    const programs = plan?.steps.flatMap(({ commands }) => commands.map(({ program }) => program)) ?? [];
    expect([programs[0], programs.at(-1)]).toEqual([BEFORE, AFTER]);
    expect(world.host.performed).toEqual([]);
  });

  test.each([
    ["relative/path", {}, "usage"],
    ["/etc/estrato/none", null, "not_found"],
    ["/etc/estrato/text", { mode: 0o644 }, "host"],
    ["/etc/estrato/open", { mode: 0o757 }, "host"],
    ["/etc/estrato/group", { mode: 0o775 }, "host"],
    ["/etc/estrato/ana", { mode: 0o755, uid: 1000 }, "host"],
  ] as const)("%s is refused", async (path, file, code) => {
    const on = await prepared();
    if (file !== null) command(on).host.addFile(path, { format: "raw", ...file });
    const made = create(command(on), { hooks: { before: null, after: path, timeoutMs: 1, failure: "abort" } });
    await expect(made).rejects.toMatchObject({ code });
    expect(await schedulesOf(on)).toEqual([]);
  });
});

describe("what root's cron runs", () => {
  /** The one folder is as `odd` says, or the program is. */
  const withFolder = (on: Bed, folder: string, odd: { readonly uid?: number; readonly mode?: number }) => {
    const world = command(on);
    const { fileInfo } = world.host;
    world.host.fileInfo = async (path) => {
      const found = await fileInfo(path);
      return path === folder && found !== null ? { ...found, ...odd } : found;
    };
    return world;
  };
  const hooks = { before: "/srv/team/bin/hook", after: null, timeoutMs: 1, failure: "abort" } as const;
  const prepare = async () => {
    const on = await prepared();
    command(on).host.addFile(hooks.before, { format: "raw", mode: 0o755 });
    return on;
  };

  test.each([
    ["/srv", { uid: 1000 }, "the folder /srv belongs to user 1000"],
    ["/srv/team", { mode: 0o775 }, "others may write the folder /srv/team"],
    ["/srv/team/bin", { mode: 0o777 }, "others may write the folder /srv/team/bin"],
    [launch.program, { uid: 1000 }, "it belongs to user 1000"],
    ["/opt/estrato", { mode: 0o775 }, "others may write the folder /opt/estrato"],
  ] as const)("is refused where %s is in other hands, and nothing is made", async (folder, odd, why) => {
    const on = await prepare();
    const made = create(withFolder(on, folder, odd), { hooks });
    await expect(made).rejects.toMatchObject({ code: "host", message: expect.stringContaining(why) });
    expect(await schedulesOf(on)).toEqual([]);
  });

  test("may lie in a folder like /tmp, where nobody can take it away", async () => {
    const on = await prepare();
    await create(withFolder(on, "/srv/team", { mode: 0o1777 }), { hooks });
    expect(await schedulesOf(on)).toHaveLength(1);
  });

  test("is not run, and is named by doctor, where a folder above it has come into other hands since", async () => {
    const on = await prepare();
    await create(command(on), { hooks });
    const world = withFolder(on, "/srv/team", { uid: 1000 });
    await expect(runSchedule(world, "nightly", now)).rejects.toMatchObject({ code: "host" });
    expect(order(world)).toEqual([]);
    const problems = (await examine(withFolder(on, "/srv/team", { uid: 1000 }))).map(({ problem }) => problem);
    expect(problems).toEqual([expect.stringContaining("the folder /srv/team belongs to user 1000")]);
    const opened = (await examine(withFolder(on, "/opt/estrato/bin", { mode: 0o777 }))).map(({ problem }) => problem);
    expect(opened).toEqual([expect.stringContaining("others may write the folder /opt/estrato/bin")]);
  });
});

describe("a real one", () => {
  const host = createHost({ uri: "test:///default", env: process.env });
  const hook = (script: string, timeoutMs: number, environment: Record<string, string> = {}) => {
    scripts += 1;
    const path = join(folder, `hook-${scripts}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return host.perform({ do: "run-hook", path, environment, timeoutMs });
  };

  test("gets the environment, no arguments and no input", async () => {
    const told = join(folder, "told");
    await hook(`cat >>${told}; echo "$# $ESTRATO_SCHEDULE" >>${told}`, 10_000, { ESTRATO_SCHEDULE: "a b;$(id)" });
    expect(readFileSync(told, "utf8")).toBe("0 a b;$(id)\n");
  });

  test("fails with its last words", async () => {
    const failed = hook("echo first >&2; echo 'no lock' >&2; exit 3", 10_000);
    await expect(failed).rejects.toMatchObject({ code: "failed", message: expect.stringContaining("no lock") });
  });

  test("is ended with all that it started when its time is over", async () => {
    const pids = join(folder, "pids");
    const startedMs = Date.now();
    const over = hook(`sleep 60 & echo $! >${pids}; sleep 60`, 300);
    await expect(over).rejects.toMatchObject({ code: "timeout" });
    expect(Date.now() - startedMs).toBeLessThan(5_000);
    const pid = Number(readFileSync(pids, "utf8"));
    await expect.poll(() => alive(pid)).toBe(false);
  });

  test("has ended when it has, whatever it has left at work behind it: a tunnel that says nothing keeps its output", async () => {
    const pids = join(folder, "left");
    const startedMs = Date.now();
    await hook(`sleep 60 & echo $! >${pids}`, 50_000);
    const failed = hook(`sleep 60 & echo $! >>${pids}; echo 'no lock' >&2; exit 3`, 50_000);
    await expect(failed).rejects.toMatchObject({ code: "failed", message: expect.stringContaining("no lock") });
    expect(Date.now() - startedMs).toBeLessThan(40_000);
    for (const pid of readFileSync(pids, "utf8").trim().split("\n").map(Number)) {
      expect(alive(pid)).toBe(true);
      process.kill(pid);
    }
  });

  test("that will not go is killed", async () => {
    const startedMs = Date.now();
    await expect(hook("trap '' TERM; while :; do sleep 1; done", 200)).rejects.toMatchObject({ code: "timeout" });
    expect(Date.now() - startedMs).toBeLessThan(10_000);
  });
});
