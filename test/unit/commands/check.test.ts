import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { nagiosLine } from "../../../src/commands/check/nagios.ts";
import { prometheusText } from "../../../src/commands/check/prometheus.ts";
import type { Facts } from "../../../src/core/check/measure.ts";
import { fakeHost, fakeMachine } from "../../fake/host.ts";
import { fakeDisk, fakeStore } from "../../fake/store.ts";
import { runLine } from "./line.ts";

function machine() {
  const [at, disk] = [fakeMachine(), fakeDisk()];
  const line = (...words: string[]) => runLine(words, { store: fakeStore({ disk }), host: fakeHost({ machine: at }) });
  return { at, disk, line };
}

const limits = {
  graceMs: 1,
  warningAgeMs: 7_200_000,
  criticalAgeMs: null,
  leastKept: 3,
  warningFreeBytes: 20,
  criticalFreeBytes: 10,
  warningLayers: 16,
  criticalLayers: 23,
};
const facts: Facts = {
  now: new Date("2026-11-21T12:00:00Z"),
  schedules: [
    {
      name: `it's "a|b"=\\`,
      instance: "web1",
      kind: "backup",
      goodAt: new Date("2026-11-21T11:00:00Z"),
      dueAt: new Date("2026-11-22T03:00:00Z"),
      dueNextAt: null,
      jitterMs: 0,
      shelved: false,
      ahead: [],
      obstacles: [],
      failure: null,
      kept: 7,
    },
  ],
  newestBackupAt: null,
  chains: [{ instance: "web1", layers: 3 }],
  folders: [{ path: "/layers", freeBytes: 50 }],
  damaged: [],
  unreadable: [],
  unwritable: [],
  interrupted: [],
  reading: [],
};

test("one line, its figures behind a bar, whatever a name holds", () => {
  expect(nagiosLine(facts, limits, { level: 0, problems: [] })).toBe(
    `OK - 1 schedule, the oldest last good one is 1 h old | 'it_s "a_b"_\\ age'=3600s;7200; 'it_s "a_b"_\\ kept'=7;3:; ` +
      `'web1 layers'=3;15;22 '/layers free'=50B;20:;10: 'interrupted'=0;0;\n`,
  );
  const bad = nagiosLine(facts, limits, { level: 2, problems: ["a|b\nfailed", "c"] });
  expect(bad).toMatch(/^CRITICAL - a\/b.*failed; c \| [^\n|]*\n$/);
});

test("an instance that is shelved is named: nobody waits for its backups", () => {
  const [schedule] = facts.schedules as [Facts["schedules"][number]];
  const shelved = {
    ...schedule,
    name: "weekly",
    instance: "web2",
    shelved: true,
    goodAt: new Date("2026-01-01T00:00:00Z"),
  };
  const well = (schedules: Facts["schedules"]) =>
    nagiosLine({ ...facts, schedules }, limits, { level: 0, problems: [] }).split(" | ")[0];
  expect(well([schedule, shelved])).toBe("OK - 2 schedules, the oldest last good one is 1 h old, web2 is shelved");
  expect(well([shelved, { ...shelved, name: "hourly" }])).toBe("OK - 2 schedules, web2 is shelved");
  const text = prometheusText({ ...facts, schedules: [shelved] }, { level: 0, problems: [] });
  expect(text).toContain('estrato_shelved{schedule="weekly",instance="web2",kind="backup"} 1');
});

test("the same for Prometheus: HELP and TYPE of each, labels escaped", () => {
  const text = prometheusText(facts, { level: 1, problems: ["x"] });
  expect(text).toContain("# HELP estrato_status What");
  expect(text).toContain("# TYPE estrato_status gauge\nestrato_status 1\n");
  expect(text).toContain(String.raw`estrato_kept{schedule="it's \"a|b\"=\\",instance="web1",kind="backup"} 7`);
  expect(text).toContain('estrato_free_bytes{path="/layers"} 50\n');
  expect(text).toMatch(/estrato_last_good_timestamp_seconds\{[^}]*\} 1795258800\n/);
  for (const line of text.trimEnd().split("\n"))
    expect(line).toMatch(/^(# (HELP|TYPE) estrato_[a-z_]+ .+|estrato_[a-z_]+(\{.*\})? -?[0-9.]+)$/);
  const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  expect(new Set(names).size).toBe(names.length);
});

test("exits 0 where all is well, with the line alone", async () => {
  const { line } = machine();
  const { exit, stdout, stderr } = await line("check");
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
  expect(stdout).toMatch(/^OK - no schedules \| [^\n]*\n$/);
});

test("exits 1, 2 and 3 as Nagios wants it, and says so on stdout alone", async () => {
  const { line, at } = machine();
  at.freeBytes = 1024 ** 3;
  expect(await line("check")).toMatchObject({ exit: 1, stdout: expect.stringMatching(/^WARNING - /), stderr: "" });
  at.freeBytes = 1024 ** 2;
  expect(await line("check")).toMatchObject({ exit: 2, stdout: expect.stringMatching(/^CRITICAL - /), stderr: "" });
  expect(await line("check", "web9")).toEqual({
    exit: 3,
    stdout: "UNKNOWN - instance web9: not found\n",
    stderr: "",
  });
});

test("a state that cannot be read is unknown, not well", async () => {
  const { line, disk } = machine();
  disk.state = "{";
  expect(await line("check")).toMatchObject({ exit: 3, stdout: expect.stringMatching(/^UNKNOWN - .*damaged/) });
});

test("--prometheus writes a file that the collector may read; a dry run does not", async () => {
  const { line, at } = machine();
  await line("check", "--prometheus", "/textfile/estrato.prom", "--dry-run");
  expect(at.files.size).toBe(0);
  expect((await line("check", "--prometheus", "/textfile/estrato.prom")).exit).toBe(0);
  expect(at.files.get("/textfile/estrato.prom")).toMatchObject({
    mode: 0o644,
    text: expect.stringContaining("estrato_status 0\n"),
  });
});

test("what cannot be looked at is unknown to Prometheus, too, and not as it was when it last could", async () => {
  const { line, at } = machine();
  await line("check", "--prometheus", "/textfile/estrato.prom");
  expect((await line("check", "web9", "--prometheus", "/textfile/estrato.prom")).exit).toBe(3);
  expect(at.files.get("/textfile/estrato.prom")?.text).toMatch(UNKNOWN);
});

const UNKNOWN = /^# HELP estrato_status .*\n.*\nestrato_status 3\n(# .*\n){2}estrato_timestamp_seconds [\d.]+\n$/;

test("settings that are damaged are unknown, as all is that keeps it from looking, and to Prometheus, too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "estrato-check."));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "config.json"), "{");
  const at = { store: fakeStore(), host: fakeHost(), systemFolder: folder };
  const unknown = { exit: 3, stdout: expect.stringMatching(/^UNKNOWN - .*damaged settings/), stderr: "" };
  expect(await runLine(["check"], at)).toEqual(unknown);

  const file = join(folder, "estrato.prom");
  writeFileSync(file, "estrato_status 0\n");
  const line = ["check", "--prometheus", file];
  expect(await runLine([...line, "-n"], at)).toEqual(unknown);
  expect(readFileSync(file, "utf8")).toBe("estrato_status 0\n");
  const umask = process.umask(0o077);
  expect(await runLine(line, at)).toEqual(unknown);
  process.umask(umask);
  expect(readFileSync(file, "utf8")).toMatch(UNKNOWN);
  expect(statSync(file).mode & 0o777).toBe(0o644);
  expect(readdirSync(folder).sort()).toEqual(["config.json", "estrato.prom"]);
  expect(await runLine(["check", "--prometheus", "/nowhere/at/all.prom"], at)).toEqual(unknown);
});
