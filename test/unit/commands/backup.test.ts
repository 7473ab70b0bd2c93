import { expect, test } from "vitest";
import backup from "../../../src/commands/backup/index.ts";
import { takeLocks } from "../../../src/core/operations/locks.ts";
import { command, stateOf } from "../core/world.ts";
import { estate, printed, run } from "./estate.ts";
import type { LineOptions } from "./line.ts";
import { taking } from "./lines/backup-take.ts";
import { using } from "./lines/backup-use.ts";
import { ofBackups } from "./lines/guest-files.ts";
import { testNoun } from "./verb-tests.ts";

await testNoun("backup", backup, { ...taking, ...using, ...ofBackups });

test("what is brought back in place keeps the seed that the last rebuild gave it", async () => {
  const on = await estate();
  await printed(on, "instance rebuild web1 -y -q");
  const seed = async () => (await stateOf(on)).instances["00000000-0000-4000-8000-000000000001"]?.seed;
  const before = await seed();
  expect(before).toContain(".00000000-0000-4000-8000-000000000001.iso");
  const [newest = ""] = (await printed(on, "backup list web1 -f value -c id")).split("\n");
  await printed(on, `backup restore ${newest} --in-place -y -q`);
  expect(await seed()).toBe(before);
});

test("what was taken, or called so, while the question stood there is not what the answer means", async () => {
  const on = await estate();
  const meanwhile = (...lines: string[]) => {
    const confirm = async () => {
      for (const line of lines) await printed(on, line);
      return true;
    };
    return { prompts: { confirm } as unknown as NonNullable<LineOptions["prompts"]> };
  };
  const [newest = ""] = (await printed(on, "backup list web1 --filter name=nightly -f value -c id")).split("\n");
  const taken = "backup web1 --rotation 9 --target /backups --name nightly -q";
  expect(await run(on, "backup restore web1/nightly --in-place", meanwhile(taken))).toMatchObject({ exit: 0 });
  const restored = "event list --filter operation=backup.restore -f value -c target --limit 1";
  expect(await printed(on, restored)).toContain(newest);

  const renamed = ["snapshot set web1/first --name old -q", "snapshot create web1 first -q"];
  expect(await run(on, "snapshot revert web1/first --discard", meanwhile(...renamed))).toMatchObject({ exit: 0 });
  expect(await printed(on, "instance show web1 -f value -c current_snapshot")).toBe("old\n");
});

test("what --follow and --target do not go with is refused", async () => {
  const on = await estate();
  for (const option of ["--calendar", "--target /backups"])
    expect(await run(on, `backup list --follow ${option}`)).toMatchObject({ exit: 2, stdout: "" });
  expect(await run(on, "usage snapshot --target /backups")).toMatchObject({ exit: 2, stdout: "" });
});

test("prune prints what it did beside what it could not, and ends with 3; where it did nothing, as that ended", async () => {
  const on = await estate();
  on.machine.folders.add("/others");
  await printed(on, "backup web1 --rotation 9 --target /others");
  const held = await takeLocks(command(on), ["/others"], 0);
  const line = "backup prune --rotation 9 -f value -c action";
  expect(await run(on, line)).toMatchObject({ exit: 3, stdout: "keep\n".repeat(3) });
  expect(await run(on, `${line} --target /others`)).toMatchObject({ exit: 5, stdout: "" });
  await held.release();
  expect(await run(on, line)).toMatchObject({ exit: 0, stdout: "keep\n".repeat(4) });
});

test("verify --all reads the targets that are there, and what is damaged counts before what is away", async () => {
  const on = await estate();
  on.machine.folders.add("/others");
  await printed(on, "backup web1 --rotation 9 --target /others");
  for (const path of [...on.machine.files.keys()]) if (path.startsWith("/others/")) on.machine.files.delete(path);
  const line = "backup verify --all -f value -c status";
  expect(await run(on, line)).toMatchObject({
    exit: 3,
    stdout: "ok\n".repeat(3),
    stderr: expect.stringContaining("/others: the backups that it held are not there"),
  });
  const [disk = ""] = [...on.machine.files.keys()].filter((path) => /^\/backups\/bak-\w+\/vda.qcow2$/.test(path));
  on.machine.files.get(disk)?.clusters.set(0, "rot");
  expect(await run(on, line)).toMatchObject({ exit: 9, stdout: expect.stringContaining("damaged\n") });
  expect(await run(on, `${line} --target /others`)).toMatchObject({ exit: 6, stdout: "" });
});
