// Speed as ratios in one run: estrato against virsh, qemu-img, virtnbdbackup and bare node on the same machine, at the
// same minute; with --before DIR also another build of estrato, in turns with this one. Printed, never asserted.
// npm run bench -- [--quick] [--minutes N] [--before DIR] [--report [--note TEXT]] [CASE…]
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { backups, largeBackups, night, sealedBackups } from "./backups.mjs";
import { dataless, deletion } from "./files.mjs";
import { chains, memory, snapshots, stalls } from "./guests.mjs";
import { inTurns, runner } from "./measure.mjs";
import { scale } from "./scale.mjs";
import { listing, starts } from "./starts.mjs";
import { table } from "./table.mjs";

const bed = process.env.ESTRATO_BED_DIR;
if (process.env.ESTRATO_BED !== "1") throw new Error("the bench runs in a private test host: npm run bench");
const repository = resolve(import.meta.dirname, "../..");
const { values: options, positionals: asked } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    report: { type: "boolean", default: false },
    before: { type: "string" },
    minutes: { type: "string" },
    note: { type: "string" }, // what else the machine did
  },
});
const { quick } = options;
/** What has not begun when the last fifth of it is left is left out, and named. */
const minutes = Number(options.minutes ?? (quick ? 2 : 10));
if (!(minutes > 0)) throw new Error(`--minutes ${options.minutes}: how many?`);
/** A comparison takes no more turns when it has lasted so long. */
const longestMs = (minutes * 60_000) / 25;

const folder = mkdtempSync(join(bed, "bench-"));
execFileSync("chmod", ["0711", folder]);
const run = runner(folder, process.env);

/** A build of estrato, with a store of its own. */
function buildAt(name, place, store = name) {
  const program = join(place, "bin/estrato");
  if (!existsSync(join(place, "dist"))) throw new Error(`${place}: not built: npm ci && npm run build`);
  const home = join(folder, `store-${store}`);
  const env = { ESTRATO_HOME: home };
  const estrato = (...args) => run.run(program, args, { more: env });
  /** On another store of this build's, and it may fail. */
  const estratoAt = (at, ...args) => run.run(program, args, { more: { ESTRATO_HOME: at }, mayFail: true });
  return { name, place, program, home, env, estrato, estratoAt };
}

const builds = [
  ...(options.before === undefined ? [] : [buildAt("before", resolve(options.before))]),
  buildAt("now", repository),
];
const named = (prefix, name) => (prefix === "" ? name : `${prefix}:${name}`);
/** Ways of measuring, one for each build; `perBuild.of`: their figures. */
const perBuild = (way, prefix = "") =>
  Object.fromEntries(builds.map((build) => [named(prefix, build.name), (round) => way(build, round)]));
perBuild.of = (times, prefix) => Object.fromEntries(builds.map(({ name }) => [name, times[named(prefix, name)]]));

const { row, report } = table(options.before !== undefined);
const done = new Set();
const tools = {
  ...run,
  builds,
  theirs: buildAt("theirs", repository),
  perBuild,
  inTurns: (rounds, ways) => inTurns(rounds, ways, longestMs),
  rounds: (count) => (quick ? Math.ceil(count / 5) : count),
  quick,
  row,
  folder,
  env: process.env,
  guest: process.env.ESTRATO_BED_GUEST,
  hasNbd: spawnSync("virtnbdbackup", ["--version"]).status === 0,
  profiles: [],
  /** What several cases need is made by the first that is run. */
  once(name, make) {
    if (!done.has(name)) make();
    done.add(name);
  },
};

const cases = {
  starts,
  listing,
  deletion, // before there are guests that run: the three of the next cases have no core to spare
  snapshots,
  memory,
  backups,
  scale,
  stalls,
  chains,
  night,
  sealedBackups,
  largeBackups,
  dataless,
};
/** What takes long, or data, and says little that is new each day. */
const NOT_QUICK = ["chains", "dataless", "largeBackups", "night", "sealedBackups"];
const unknown = asked.filter((name) => cases[name] === undefined);
if (unknown.length > 0) throw new Error(`${unknown.join(", ")}: the cases are ${Object.keys(cases).join(", ")}`);
const chosen = Object.entries(cases).filter(([name]) =>
  asked.length > 0 ? asked.includes(name) : !(quick && NOT_QUICK.includes(name)),
);

const failed = [];
try {
  for (const [name, bench] of chosen) {
    const began = performance.now();
    if (began > minutes * 48_000) {
      failed.push(`${name} (${minutes} minutes were nearly over)`);
      continue;
    }
    try {
      await bench(tools);
    } catch (error) {
      failed.push(`${name} (it failed)`);
      process.exitCode = 1;
      process.stderr.write(`${name}: ${error.stack}\n`);
    }
    process.stdout.write(`  ${name}: ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
  }
  const words = [
    ...(quick ? ["--quick"] : []),
    ...(options.minutes === undefined ? [] : ["--minutes", options.minutes]),
    ...(options.before === undefined ? [] : ["--before DIR"]),
    ...asked,
  ];
  const commit = ({ place }) =>
    execFileSync("git", ["-C", place, "-c", "safe.directory=*", "log", "-1", "--format=%h (%cs)"], {
      encoding: "utf8",
    }).trim();
  const about = builds.map((build) => `- ${build.name}: ${commit(build)}`);
  if (options.note !== undefined) about.push(`- ${options.note}`);
  const said = {
    builds: about,
    words: words.length > 0 ? ` -- ${words.join(" ")}` : "",
    profile: tools.profiles.join("\n\n"),
    failed,
  };
  if (options.report) report(join(import.meta.dirname, "REPORT.md"), said);
  process.stdout.write(`\n${said.profile}\n${failed.map((name) => `not measured: ${name}\n`).join("")}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
