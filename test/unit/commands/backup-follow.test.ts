/** `backup list --follow`: a backup that another command takes, seen from beside it. */
import { expect, test } from "vitest";
import type { Clock } from "../../../src/core/ports.ts";
import { EstratoError } from "../../../src/errors.ts";
import { type Bed, command } from "../core/world.ts";
import { estate, run } from "./estate.ts";
import type { LineResult } from "./line.ts";

const TAKE = "backup web1 --rotation 9 --target /backups --type daily --name watched";

/** Takes a backup that stands still once its disks are copied; `go` lets it go on: to its end, or into a failure. */
function held(on: Bed) {
  const { host, store } = command(on);
  let go: (fails: boolean) => void = () => undefined;
  const gate = new Promise<boolean>((open) => {
    go = open;
  });
  let isHeld: () => void = () => undefined;
  const standing = new Promise<void>((reached) => {
    isHeld = reached;
  });
  const countFaults = host.countFaults.bind(host);
  host.countFaults = async (image) => {
    isHeld();
    if (await gate) throw new EstratoError("host", "the target is full");
    return countFaults(image);
  };
  return { taken: run(on, TAKE, { host, store }), standing, go };
}

/** Whose second sleep lets the backup go on, and waits for its end. */
function clockOf(on: Bed, then: () => Promise<unknown>): Clock {
  let slept = 0;
  return {
    ...on.clock,
    async sleep() {
      slept += 1;
      if (slept === 2) await then();
    },
  };
}

async function watched(fails: boolean, line: string): Promise<{ backup: LineResult; follower: LineResult }> {
  const on = await estate();
  const { taken, standing, go } = held(on);
  await standing;
  const clock = clockOf(on, () => {
    go(fails);
    return taken;
  });
  const follower = await run(on, line, { clock });
  return { backup: await taken, follower };
}

test("it tells how far it is, and lists it when it has been taken", async () => {
  const { backup, follower } = await watched(false, "backup list web1 --follow -f json --progress json");
  expect(backup.exit).toBe(0);
  expect(follower.exit).toBe(0);
  expect(JSON.parse(follower.stdout)).toMatchObject([{ name: "watched", instance: "web1", status: "available" }]);
  const progress = follower.stderr
    .split("\n")
    .filter(Boolean)
    .map((text) => JSON.parse(text).progress);
  expect(progress[0]).toMatchObject({ title: "Backup of web1", total_bytes: expect.any(Number) });
  expect(progress[0].total_bytes).toBeGreaterThan(0);
  expect(progress[0].done_bytes).toBeGreaterThan(0);
});

test("of one that fails it says why", async () => {
  const { backup, follower } = await watched(true, "backup list --follow");
  expect(backup.exit).toBe(6);
  expect(follower).toEqual({ exit: 0, stdout: "", stderr: "Backup of web1: not taken: the target is full\n" });
});

test("where none is being taken it says so; of another instance, type, or a command that died, there is none", async () => {
  const on = await estate();
  const none = { exit: 0, stdout: "", stderr: "No backup is being taken.\n" };
  expect(await run(on, "backup list --follow")).toEqual(none);
  const { taken, standing, go } = held(on);
  await standing;
  for (const choice of ["web2", "--type weekly"]) expect(await run(on, `backup list --follow ${choice}`)).toEqual(none);
  const locks = new Map(on.disk.locks);
  on.disk.locks.clear(); // as those of a dead command are
  expect(await run(on, "backup list --follow")).toEqual(none);
  for (const [name, holder] of locks) on.disk.locks.set(name, holder);
  go(false);
  expect(await taken).toMatchObject({ exit: 0 });
});

test("Ctrl-C ends it well, and leaves the backup alone", async () => {
  const on = await estate();
  const { taken, standing, go } = held(on);
  await standing;
  const stop = new AbortController();
  const clock: Clock = {
    ...on.clock,
    async sleep() {
      stop.abort();
      throw new EstratoError("interrupted", "interrupted while waiting");
    },
  };
  expect(await run(on, "backup list --follow", { clock, signal: stop.signal })).toMatchObject({ exit: 0, stdout: "" });
  go(false);
  expect(await taken).toMatchObject({ exit: 0 });
});
