// Puts faults into src/core, src/host and src/store, one at a time, and tells which of them no unit test notices.
// node test/mutants/run.mjs [--count 50] [--seed 1] [--skip 0] [--seconds 300] [--near | --all] [--under
// src/core/layers] Each goes into a copy of the tree; the tests of its folder run there until the first fails, and
// then, without --near, all that import its file. Without --all the long suites (every point of a crash) are left out:
// what lives then is to be tried with --all and the same seed. By hand: it takes hours.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { mutantsOf, mutated } from "./mutants.mjs";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    skip: { type: "string", default: "0" },
    seconds: { type: "string", default: "300" },
    under: { type: "string", multiple: true, default: ["src/core", "src/host", "src/store"] },
    near: { type: "boolean", default: false },
    all: { type: "boolean", default: false },
  },
});
const LONG = ["killed", "crash", "histories", "together", "unmounted", "encrypted", "tpm", "recorded", "property"];

const root = resolve(import.meta.dirname, "../..");
const copy = mkdtempSync(join(tmpdir(), "estrato-mutants-"));
process.on("exit", () => rmSync(copy, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));
const COPIED = ["src", "test", "bin", "man", "build.mjs", "package.json", "tsconfig.json", "vitest.config.ts"];
for (const name of COPIED) cpSync(join(root, name), join(copy, name), { recursive: true });
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));

/** The same for the same seed (mulberry32). */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function everyMutant() {
  const files = values.under.flatMap((folder) =>
    readdirSync(join(copy, folder), { recursive: true }).flatMap((name) =>
      /\.ts$/.test(name) ? join(folder, name) : [],
    ),
  );
  return files
    .sort()
    .flatMap((file) => mutantsOf(readFileSync(join(copy, file), "utf8")).map((one) => ({ ...one, file })));
}

function sampled(all) {
  const random = numbers(Number(values.seed));
  const order = all.map((one) => ({ one, at: random() })).sort((a, b) => a.at - b.at);
  const skip = Number(values.skip);
  return order.slice(skip, skip + Number(values.count)).map(({ one }) => one);
}

/** Tests of the same folder: most of what dies, dies there, and soon. */
function near(file) {
  const folder = file
    .replace(/^src/, "test/unit")
    .replace(/\/[^/]*$/, "")
    .replace("core/graph", "graph");
  if (!existsSync(join(copy, folder))) return [];
  return readdirSync(join(copy, folder), { withFileTypes: true })
    .filter((one) => one.isFile() && one.name.endsWith(".test.ts") && !LONG.some((word) => one.name.includes(word)))
    .map(({ name }) => join(folder, name));
}

/** "killed" by a test that failed, "lived", or "stuck" where the time ran out (an endless loop, for one). */
async function tried(file) {
  const beside = near(file);
  const first = beside.length === 0 ? "lived" : await vitest("run", ...beside);
  if (first !== "lived" || values.near) return first;
  return vitest(
    "related",
    "--run",
    ...(values.all ? [] : LONG.flatMap((word) => ["--exclude", `**/*${word}*.test.ts`])),
    file,
  );
}

let running = null;
process.on("exit", () => running?.kill("SIGKILL"));

async function vitest(...words) {
  const program = join(root, "node_modules/vitest/vitest.mjs");
  const run = spawn(process.execPath, [program, ...words, "--project", "unit", "--bail", "1", "--reporter", "dot"], {
    cwd: copy,
    stdio: "ignore",
    timeout: Number(values.seconds) * 1000,
    killSignal: "SIGKILL",
  });
  running = run;
  const [status] = await once(run, "exit");
  if (status === null) return "stuck";
  return status === 0 ? "lived" : "killed";
}

const sums = { killed: 0, lived: 0, stuck: 0 };
for (const mutant of sampled(everyMutant())) {
  const path = join(copy, mutant.file);
  const text = readFileSync(path, "utf8");
  writeFileSync(path, mutated(text, mutant));
  const fate = await tried(mutant.file);
  writeFileSync(path, text);
  sums[fate] += 1;
  const line = text.slice(0, mutant.start).split("\n").length;
  const until = Math.max(mutant.end, mutant.start + 60);
  const words = text.slice(mutant.start, until).replaceAll(/\s+/g, " ").slice(0, 90);
  console.log(`${fate}  ${mutant.file}:${line}  ${mutant.what}: ${words}`);
}
console.log(`${sums.killed} killed, ${sums.lived} lived, ${sums.stuck} stuck`);
