/** Targets that the line does not name: by standard input, by --filter. */
import { expect, test } from "vitest";
import { command, everything } from "../core/world.ts";
import { differences, estate, printed, run } from "./estate.ts";
import type { LineOptions } from "./line.ts";
import { PROGRESS } from "./verb-run.ts";

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

test("--filter, --limit and --sort that would choose nothing are refused, before anything is done", async () => {
  const on = await estate();
  const before = everything(on);
  const refused: readonly (readonly [line: string, says: string, input?: string])[] = [
    ["instance delete -y web1 web2 --limit 1", '--limit and "web1": either chooses'],
    ["instance delete -y - --limit 1", '--limit and "-": either chooses', "web1\nweb2\n"],
    ["instance stop --force - --filter status=paused", '--filter and "-": either chooses', "web1\nweb2\n"],
    ["instance stop --force web1 web2 --filter status=paused", '--filter and "web1": either chooses'],
    ["snapshot delete web1/first --sort name", '--sort and "web1/first": either chooses'],
    ["backup verify --all --limit 1", "--limit: there is nothing that it could choose"],
    ["instance set web1 --property a=b --filter status=paused", "--filter: there is nothing that it could choose"],
    ["backup prune --rotation 1 --filter instance=web2", "--filter: it would choose what is printed"],
    ["backup prune --rotation 1 --limit 1 --dry-run", "--limit: it would choose what is printed"],
    ["doctor --repair -y --filter subject=web2", "--filter: it would choose what is printed"],
  ];
  for (const [line, says, input = ""] of refused) {
    const { exit, stdout, stderr } = await run(on, line, { input });
    expect({ line, exit, stdout, stderr }).toEqual({
      line,
      exit: 2,
      stdout: "",
      stderr: expect.stringContaining(says),
    });
  }
  expect(differences(before, everything(on))).toEqual([]);
  expect((await run(on, "doctor --filter subject=web2 --limit 1")).exit).toBe(0);
});

test("a variable that is not set chooses nothing of what is changed; null says what has none", async () => {
  const on = await estate();
  const { exit, stderr } = await run(on, "instance stop --force --filter properties.role=");
  expect({ exit, stderr }).toEqual({
    exit: 2,
    stderr:
      "estrato: instance stop: --filter properties.role=: it is empty. " +
      "What has none there is chosen by --filter properties.role=null.\n",
  });
  expect(await printed(on, statuses)).toContain("legacy active\n");
  expect(await printed(on, "instance list --filter properties.role= -f value -c name")).toContain("legacy\n");
  expect((await run(on, "instance stop --force --filter properties.role=null --filter status=active")).exit).toBe(0);
  expect(await printed(on, statuses)).toBe("legacy shutoff\nput-by shelved\nweb1 active\nweb2 shutoff\n");
});

test("what - or --filter names is an array in JSON, however many there are", async () => {
  const names = (stdout: string) => (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name);
  const json = async (line: string, input = "") => names(await on(line, input));
  const on = async (line: string, input: string) => (await run(await estate(), `${line} -f json`, { input })).stdout;
  expect(await json("instance stop --force --filter name=web1")).toEqual(["web1"]);
  expect(await json("instance stop --force --filter status=paused")).toEqual([]);
  expect(await json("instance show -", "web2\n")).toEqual(["web2"]);
  expect(await json("instance show -", "\n")).toEqual([]);
  expect(await json("backup verify -", "nightly\n")).toEqual(["nightly"]);
  expect(JSON.parse(await on("instance stop --filter name=web1 --dry-run", ""))).toMatchObject([{ steps: [{}] }]);
  expect(JSON.parse(await on("instance show web1", ""))).toMatchObject({ name: "web1" });
});

test("- and --filter name what is verified and what ssh is told of, too, where names may be left out", async () => {
  const on = await estate();
  const ids = await printed(on, "backup list --filter instance=web1 -f value -c id");
  expect((await run(on, "backup verify - -f value -c id", { input: ids })).stdout).toBe(ids);
  expect(await printed(on, "backup verify --filter instance=web1 -f value -c id")).toBe(ids);
  expect((await run(on, "backup verify -", { input: "" })).stderr).toBe("Nothing is meant: there is nothing to do.\n");
  expect((await run(on, "instance ssh-config -", { input: "web1\n" })).stdout).toMatch(/^Host web1 /);
  expect((await run(on, "instance ssh-config -", { input: "" })).stdout).toBe("");
  expect((await run(on, "instance top - -f value -c name", { input: "web1\n" })).stdout).toBe("web1\n");
  const same = await printed(on, "backup verify nightly nightly -f json");
  expect(JSON.parse(same)).toMatchObject({ name: "nightly" });
});

test("--filter chooses from the folder that --target names", async () => {
  const on = await estate();
  const all = await printed(on, "backup list -f value -c id");
  on.machine.folders.add("/other");
  const other = (await printed(on, "backup web2 --rotation 9 --target /other -f value -c id")).trim();
  const chosen = "backup delete --filter instance=web2 --target /other -y";
  expect(await run(on, chosen)).toMatchObject({ exit: 0, stderr: "" });
  expect(await printed(on, "backup list -f value -c id")).toBe(all);
  expect(all).not.toContain(other);
});

test("who is chosen by --filter is told, and logged, by name", async () => {
  const on = await estate();
  const { stderr } = await run(on, "instance stop --force --filter status=active", { terminal: true });
  expect(stderr.replaceAll(PROGRESS, "")).toBe("Stopped legacy.\nStopped web1.\n");
  expect((await run(on, "instance start --filter name=web1", { terminal: true })).stderr).toContain("Started web1 (");
  const events = "event list web1 -f value -c operation --limit 2";
  expect(await printed(on, events)).toBe("instance.start\ninstance.stop\n");
});

test("what was named by its id is found in the log by its name, and the other way round", async () => {
  const on = await estate();
  const id = (await printed(on, "instance show web1 -f value -c id")).trim();
  await run(on, "instance pause -", { input: `${id}\tweb1\tactive\n` });
  await printed(on, "instance resume web1");
  for (const name of ["web1", id])
    expect(await printed(on, `event list ${name} -f value -c operation --limit 2`)).toBe(
      "instance.resume\ninstance.pause\n",
    );
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
