/** Targets that the line does not name: by standard input, by --filter. */
import { expect, test } from "vitest";
import { command } from "../core/world.ts";
import { estate, printed, run } from "./estate.ts";
import type { LineOptions } from "./line.ts";

const statuses = "instance list -f value -c name,status --sort name";

test("- stands for the names at standard input, one a line, of rows the first column", async () => {
  const on = await estate();
  const result = await run(on, "instance stop --force -", { input: "web1\tactive\n\nweb2\tshutoff\r\n" });
  expect(result).toEqual({ exit: 0, stdout: "", stderr: "" });
  expect(await printed(on, statuses)).toContain("web1 shutoff\n");
  expect(await run(await estate(), "instance stop -", { input: "web1\nnosuch\n" })).toMatchObject({
    exit: 3,
    stderr: expect.stringContaining("1 of 2 instances failed to stop"),
  });
});

test("a name at standard input has its blanks: without them it would be another's", async () => {
  const on = await estate();
  for (const input of ["web1 \n", " web1\n"]) {
    expect(await run(on, "instance delete -y -", { input })).toMatchObject({ exit: 4 });
  }
  expect(await printed(on, statuses)).toContain("web1 active\n");
});

test("--filter chooses all that the list shows with it", async () => {
  const on = await estate();
  expect(await run(on, "instance stop --force --filter status=active")).toMatchObject({ exit: 0 });
  expect(await printed(on, statuses)).toBe("legacy shutoff\nput-by shelved\nweb1 shutoff\nweb2 shutoff\n");
  expect(await run(on, "snapshot delete --filter instance=web2")).toMatchObject({ exit: 0 });
  expect(await printed(on, "snapshot list web2 -f value -c name")).toBe("");
});

test("with --sort and --limit it chooses what the list shows with them, whatever the verb prints", async () => {
  const { on } = await classroom();
  const last = `--filter ${CLASS} --sort created_at,name:desc --limit 2`;
  expect(await printed(on, `instance list ${last} -f value -c name`)).toBe("pc-6\npc-5\n");
  const kept = `snapshot create --name s1 --filter ${CLASS} --sort created_at,name:desc --limit 1 -f value -c instance`;
  expect(await printed(on, kept)).toBe("pc-6\n");
  const { exit, stderr } = await run(on, `instance stop --filter ${CLASS} --sort nam`);
  expect({ exit, stderr }).toEqual({
    exit: 2,
    stderr: 'estrato: column "nam": there is none of that name. Did you mean name?\n',
  });
  expect(await run(on, `instance delete -y ${last}`)).toMatchObject({ exit: 0 });
  const left = `instance list --filter ${CLASS} -f value -c name --sort name`;
  expect(await printed(on, left)).toBe("pc-1\npc-2\npc-3\npc-4\n");
});

test("where that fits nothing there is nothing to do", async () => {
  const nothing = { exit: 0, stdout: "", stderr: "Nothing is meant: there is nothing to do.\n" };
  expect(await run(await estate(), "instance delete -y --filter status=paused")).toEqual(nothing);
  expect(await run(await estate(), "instance delete -y -", { input: "\n" })).toEqual(nothing);
});

test("a filter that the list does not have is a usage error, before anything is done", async () => {
  const { exit, stderr } = await run(await estate(), "instance delete -y --filter statsu=active");
  expect({ exit, stderr }).toEqual({
    exit: 2,
    stderr: 'estrato: column "statsu": there is none of that name. Did you mean status?\n',
  });
});

test("a no to one of them leaves that one, and is said", async () => {
  const on = await estate();
  const confirm = async ({ text }: { readonly text: string }) => !text.includes("data1");
  const prompts = { confirm } as unknown as NonNullable<LineOptions["prompts"]>;
  await printed(on, "volume create data9 --size 1M");
  expect(await run(on, "volume delete data1 data9", { prompts })).toMatchObject({
    exit: 0,
    stderr: expect.stringContaining("data1 is left as it is.\n"),
  });
  expect((await printed(on, "volume list -f value -c name")).split("\n")).toEqual(
    expect.not.arrayContaining(["data9"]),
  );
  expect(await printed(on, "volume list -f value -c name")).toContain("data1\n");
});

const CLASS = "properties.class=asir1";

/** Six instances of a class, off; and how many definitions were under way at the same time, at most. */
async function classroom() {
  const on = await estate();
  await printed(on, "instance create pc --image debian12 --flavor tiny --count 6 --property class=asir1 --no-start");
  let [now, most] = [0, 0];
  const counting = () => {
    const { host } = command(on);
    const perform = host.perform.bind(host);
    host.perform = async (action, how) => {
      if (action.do !== "define") return perform(action, how);
      now += 1;
      most = Math.max(most, now);
      // Whoever works beside it gets there meanwhile.
      for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate);
      now -= 1;
      return perform(action, how);
    };
    return host;
  };
  return { on, counting, most: () => most };
}

test.each([1, 2, 3])("what is chosen is worked on side by side, as many as there are cores: %s", async (cores) => {
  const { on, counting, most } = await classroom();
  const { exit, stdout } = await run(on, `instance rebuild --filter ${CLASS} -y -f value -c instance`, {
    host: counting(),
    cores,
  });
  expect({ exit, stdout }).toEqual({ exit: 0, stdout: "pc-1\npc-2\npc-3\npc-4\npc-5\npc-6\n" });
  expect(most()).toBe(cores);
});

test("a whole class gets a snapshot, goes back to it, and is rebuilt; each has an outcome of its own", async () => {
  const { on } = await classroom();
  expect(await run(on, `snapshot create --filter ${CLASS} --name clean`)).toMatchObject({ exit: 0, stderr: "" });
  await printed(on, "snapshot delete pc-3/clean");
  const reverted = await run(on, `snapshot revert --filter ${CLASS} --name clean -y -f json`);
  expect(reverted.exit).toBe(3);
  expect(reverted.stderr).toContain("snapshot pc-3/clean: not found");
  expect(reverted.stderr).toContain("5 of 6 instances reverted");
  const rows = JSON.parse(reverted.stdout) as { instance: string; changed: boolean }[];
  expect(rows.map(({ instance, changed }) => [instance, changed])).toEqual(
    ["pc-1", "pc-2", "pc-4", "pc-5", "pc-6"].map((name) => [name, true]),
  );
  const events = JSON.parse(await printed(on, "event list -f json")) as { operation: string; result: string }[];
  const of = (result: string) =>
    events.filter((one) => one.operation === "snapshot.revert" && one.result === result).length;
  expect([of("done"), of("not_found")]).toEqual([1 + 5, 1]); // the estate's own revert, and these
});

test("what needs a yes names them all, and without one nothing is done", async () => {
  const { on } = await classroom();
  const { exit, stderr } = await run(on, `instance rebuild --filter ${CLASS}`);
  expect(exit).toBe(8);
  expect(stderr).toContain("Rebuild 6 instances?");
  expect(stderr).toContain("Rebuilt would be: pc-1, pc-2, pc-3, pc-4, pc-5, pc-6.");
  expect(await printed(on, "snapshot list --filter automatic=true --filter instance=pc-1 -f value -c id")).toBe("");
});

test("an interruption ends those under way, and begins no other", async () => {
  const { on } = await classroom();
  const controller = new AbortController();
  const { host } = command(on);
  const perform = host.perform.bind(host);
  host.perform = async (action, how) => {
    await perform(action, how);
    if (action.do === "define") controller.abort();
  };
  const { exit } = await run(on, `instance rebuild --filter ${CLASS} -y`, { host, signal: controller.signal });
  expect(exit).toBe(130);
  expect([...on.disk.journal]).toEqual([]);
  const kept = (await printed(on, "snapshot list --filter automatic=true -f value -c instance")).split("\n");
  expect(kept.filter((name) => name.startsWith("pc-")).length).toBeLessThanOrEqual(2);
});
