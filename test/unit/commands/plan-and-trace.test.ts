/** What `--dry-run` says is what runs: each line of the tables once as a plan and once for good, command by command. */
import { expect, test } from "vitest";
import type { LoadVerb } from "../../../src/commands/framework/tree.ts";
import { COLLECTED_LATER } from "../../../src/core/layers/freed.ts";
import type { Action } from "../../../src/core/model/action.ts";
import { catalogue } from "../../../src/program.ts";
import { newFile } from "../../fake/host-images.ts";
import { expectSchemaOf } from "../../schemas.ts";
import { type Bed, command } from "../core/world.ts";
import { printed, run } from "./estate.ts";
import { taking as backupTaking } from "./lines/backup-take.ts";
import { using as backupUsing } from "./lines/backup-use.ts";
import { reaching } from "./lines/instance-guest.ts";
import { making } from "./lines/instance-make.ts";
import { powering } from "./lines/instance-power.ts";
import { rebuilding } from "./lines/instance-rebuild.ts";
import { shelving } from "./lines/instance-shelf.ts";
import { taking } from "./lines/snapshot-take.ts";
import { using } from "./lines/snapshot-use.ts";
import type { NounLines, Well } from "./verb-lines.ts";
import { prepared, withOptions } from "./verb-run.ts";

interface Told {
  readonly program: string;
  readonly args: readonly string[];
  readonly only_if?: string | null;
}

/** As text, but for ids, which each run makes for itself. */
const text = ({ program, args }: Told) => [program, ...args].join(" ").replaceAll(/-f?[0-9a-f]{17}/g, "-ID");

/** What is performed, in order; with what merges do that begin by themselves afterwards. */
async function traced(on: Bed, line: string, one: Well): Promise<{ text: string; merges: boolean }[]> {
  const { host, store } = command(on);
  const done: { text: string; merges: boolean }[] = [];
  const perform = host.perform.bind(host);
  host.perform = async (action: Action, how) => {
    const isIdle =
      (action.do === "unlink" && !on.machine.files.has(action.path)) ||
      (action.do === "destroy" && on.machine.domains.get(action.domain)?.live === null);
    const merges = [...on.disk.journal.values()].some((entry) => JSON.stringify(entry).includes("layer.merge"));
    if (!isIdle) done.push(...host.commandsFor(action).map((told) => ({ text: text(told), merges })));
    return perform(action, how);
  };
  // What is worked on side by side a plan tells one after the other.
  const how = { ...one.how?.(on), host, store, cores: 1 };
  const { exit, stdout } = await run(on, withOptions("-f json", line), how);
  expect(exit).toBe(0);
  if (stdout !== "") await expectSchemaOf(line.split(" "), JSON.parse(stdout));
  return done;
}

/** The nouns that have no table of lines. */
const DATA9 = "volume create data9 --size 1M";
const NIGHTLY = "schedule create nightly --backup web2 --cron 0·3·*·*·* --rotation 2 --target /backups";
const withFile = (on: Bed) => command(on).host.addFile("/in/debian.qcow2", { content: { 0: "boot" } });
const URL = "https://images.example.org/debian.qcow2";
const withUrl = (on: Bed) => void on.machine.web.set(URL, { image: newFile({ sizeBytes: 65536 }) });
const GOLDEN = "image create golden --from-snapshot web2/first";
const lines =
  (...all: string[]) =>
  async (on: Bed) => {
    for (const line of all) await printed(on, line);
  };
/** Each on the one before. */
const FOUR = lines(...[1, 2].map(() => "backup web1 --rotation 9 --target /backups --type daily --incremental"));
const OTHERS: Well[] = [
  { line: DATA9 },
  { line: "volume create data9 --from-snapshot data1/monday" },
  { line: "volume create data9 --from-image debian12 --size 20G" },
  { line: "volume attach legacy data9", before: DATA9 },
  { line: "volume detach legacy data9", before: lines(DATA9, "volume attach legacy data9") },
  { line: "volume resize data1 2M" },
  { line: "volume resize web1/vda 20G" },
  { line: "volume delete data1 -y" },
  { line: "image create golden --from-snapshot web1/upgrade" },
  { line: "image create golden --from-snapshot web1/upgrade --sysprep" },
  { line: "image create golden --from-instance web1" },
  { line: "image create golden --from-instance web2 --exclude-disk vdb" },
  { line: "image create golden --from-volume data1" },
  { line: "image create golden --file /in/debian.qcow2", before: withFile },
  { line: `image create golden --url ${URL}`, before: withUrl },
  { line: "image save debian12 --file /backups/debian.qcow2" },
  { line: "image set golden --protect", before: GOLDEN },
  { line: "image share golden --public", before: GOLDEN },
  { line: "image unshare golden", before: lines(GOLDEN, "image share golden --public") },
  { line: "image delete golden", before: GOLDEN },
  { line: NIGHTLY },
  { line: "schedule run nightly", before: NIGHTLY },
  { line: "schedule set nightly --verify 5%", before: NIGHTLY },
  { line: "schedule delete nightly", before: NIGHTLY },
  { line: "shelve web2" },
  { line: "backup prune --rotation 1 --target /backups" },
  { line: "backup prune web1 --type daily --rotation 1 --target /backups", before: FOUR },
  { line: "backup verify --all --target /backups" },
  { line: "unshelve put-by" },
  { line: "keypair create other" },
  { line: "keypair delete mykey" },
  { line: "flavor create db --ram 1G --disk 1G" },
  { line: "flavor delete large" },
  { line: "doctor --repair" },
];

const ALL: NounLines[] = [making, powering, rebuilding, reaching, shelving, taking, using, backupTaking, backupUsing];
const tables = ALL.flatMap((tables) =>
  Object.values(tables).flatMap(({ well, asks = [] }) => [
    ...well.filter(({ plan }) => plan !== undefined),
    ...asks.map((one): Well => ({ ...one, line: `-y ${one.line}` })),
  ]),
);
const rows = [...tables, ...OTHERS];

test.each(rows)("$line", async (one) => {
  const on = await prepared(one);
  const { stdout } = await run(on, withOptions("-n -f json", one.line), one.how?.(on) ?? {});
  if (stdout !== "") await expectSchemaOf(one.line.split(" "), JSON.parse(stdout));
  const plans =
    stdout === "" ? [] : ([JSON.parse(stdout)].flat() as { steps?: { commands: Told[] }[]; notes?: string[] }[]);
  // Of what is pruned the newest is told first, and the oldest goes first.
  const inTurn = one.line.startsWith("backup prune") ? plans.toReversed() : plans;
  const plan = inTurn.flatMap(({ steps }) => steps ?? []).flatMap(({ commands }) => commands);
  const done = await traced(await prepared(one), one.line, one);
  // What is said to be run under a condition may be left out.
  const isDone = (told: Told) => done.some((each) => each.text === text(told));
  const said = plan.filter((told) => (told.only_if ?? null) === null || isDone(told)).map(text);
  const notes = plans.flatMap((each) => each.notes ?? []);
  const isToldOnly = notes.includes(COLLECTED_LATER);
  expect(said).toEqual(done.filter(({ merges }) => !isToldOnly || !merges).map((each) => each.text));
});

test("every verb that changes something is among them", async () => {
  // Settings and a key are files of ours, what is extracted the user's: nothing of the host.
  const others = ["config set", "config unset", "keypair import", "snapshot extract", "backup extract"];
  const missing: string[] = [];
  const look = async (path: string, load: LoadVerb) => {
    const isThere = rows.some(({ line }) => line.replace(/^-y /, "").startsWith(path)) || others.includes(path);
    if (!isThere && (await load()).default.changes) missing.push(path);
  };
  for (const [name, entry] of Object.entries(catalogue)) {
    if ("verb" in entry) await look(name, entry.verb);
    else
      for (const [verb, { load }] of Object.entries((await entry.noun()).default.verbs))
        await look(`${name} ${verb}`, load);
  }
  expect(missing).toEqual([]);
});
