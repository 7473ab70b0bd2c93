/** The schemas of what is printed as JSON. That the answers are as these say is tested wherever there are answers. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { allSchemas } from "../../../src/schemas.ts";
import { expectSchema, expectSchemaOf, schemaNamed } from "../../schemas.ts";
import { type Bed, command } from "../core/world.ts";
import { estate, run } from "./estate.ts";
import { allVerbs } from "./examples.ts";

test("the schemas that are checked in are made of the columns: run `npm run schemas` after a change of them", async () => {
  const schemas = await allSchemas();
  expect(readdirSync("schemas").sort()).toEqual([...schemas.keys()].sort());
  for (const [file, text] of schemas) expect(readFileSync(`schemas/${file}`, "utf8"), file).toBe(text);
});

test("every verb that prints columns has its part, by its own name", async () => {
  for (const [path, { result }] of verbs) {
    if (result.columns.length === 0) continue;
    const [noun = "", verb = noun] = path.split(" ");
    expect(Object.keys(schemaNamed(noun).$defs ?? {}), path).toContain(verb);
  }
});

const LOOKS = [
  ...["instance", "snapshot", "volume", "image", "flavor", "keypair", "config", "event"].map((noun) => `${noun} list`),
  ...["instance show web1", "instance show web1 put-by legacy", "snapshot tree web1", "snapshot show web1/awake"],
  ...["volume show data1", "image show debian12", "flavor show tiny", "keypair show mykey", "config get color"],
  ...["config path", "backup list --target /backups", "backup show web1/nightly", "usage", "usage instance"],
  ...["usage snapshot", "usage backup", "doctor", "instance top --interval 1s", "backup verify web1/nightly"],
];

const verbs = await allVerbs();

/** As CSV with all columns there are, and as values: what `{"a":1}` or `["x"]` in a cell would look like. */
async function expectNoJson(on: Bed, line: string): Promise<void> {
  const [noun = "", verb = ""] = line.split(" ");
  const columns = (verbs.get(`${noun} ${verb}`) ?? verbs.get(noun))?.result.columns ?? [];
  for (const format of ["csv", "value"]) {
    const { stdout } = await run(on, `${line} --no-header -f ${format} -c ${columns.map(({ key }) => key).join(",")}`);
    expect(stdout, line).not.toMatch(/[{[]"|"\s*:\s*["{[\d]|[}\]]$|\[\]|\{\}/m);
  }
}

test.each(LOOKS)("%s prints what its schema says, and no JSON in a cell", async (line) => {
  const on = await estate();
  await run(on, "snapshot create legacy taken-in"); // one that estrato did not make
  const { stdout, exit } = await run(on, `${line} -f json`);
  expect(exit).toBe(0);
  await expectSchemaOf(line.split(" "), JSON.parse(stdout));
  await expectNoJson(on, line);
});

test("schedules print what their schema says, those of backups that are booted too", async () => {
  const on = await estate();
  command(on).host.addFile("/etc/estrato/hook", { format: "raw", mode: 0o755 });
  for (const line of [
    "schedule create nightly --backup web1 --cron 0·3·*·*·* --rotation 2 --target /backups --verify boot",
    "schedule create weekly --backup web2 --cron 0·4·*·*·* --keep-daily 7 --target /backups --hook-before /etc/estrato/hook",
    "schedule create hourly --snapshot web1 --cron 0·*·*·*·* --rotation 2 --expire 2d",
    "schedule show nightly",
    "schedule list",
  ]) {
    const { stdout, stderr } = await run(on, `${line} -f json`);
    expect(stdout, stderr).not.toBe("");
    await expectSchemaOf(line.split(" "), JSON.parse(stdout));
  }
  await expectNoJson(on, "schedule list");
});

test("a schema is closed in the tests: a key that it does not know fails", async () => {
  const { stdout } = await run(await estate(), "snapshot show web1/first -f json");
  const shown = JSON.parse(stdout);
  const fails = (value: object) => expect(() => expectSchema("snapshot", "show", value)).toThrow();
  fails({ ...shown, colour: "red" });
  fails({ ...shown, disks: [{ ...shown.disks[0], colour: "red" }] });
  fails({ ...shown, status: "blue" });
  const { restorable: _, ...less } = shown;
  fails(less);
});

test("an error and each line of progress are as their schemas say", async () => {
  const on = await estate();
  const { stderr } = await run(on, "instance show nobody -f json");
  expectSchema("error", null, JSON.parse(stderr));
  const backup = await run(on, "backup web1 --rotation 9 --target /backups --progress json -q");
  const lines = backup.stderr.split("\n").filter((line) => line.startsWith("{"));
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expectSchema("progress", null, JSON.parse(line));
});
