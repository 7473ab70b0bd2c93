// Adds up the reports of the suites: prints where the time went, and the one line that counts. Exits 1 where anything
// failed, was skipped, or nothing ran.
import { existsSync, readdirSync, readFileSync } from "node:fs";

const [folder, failedRuns] = process.argv.slice(2);
/** Unit files that are quicker are one line together. */
const LEAST_UNIT_S = 2;
let passed = 0;
let failed = 0;
let skipped = 0;
const rows = [];
for (const name of readdirSync(folder).filter((one) => one.endsWith(".json"))) {
  const report = JSON.parse(readFileSync(`${folder}/${name}`, "utf8"));
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  skipped += report.numPendingTests + report.numTodoTests;
  for (const file of report.testResults) {
    if (file.status === "failed" && file.assertionResults.length === 0) failed += 1; // it did not even load
    for (const one of file.assertionResults) if (one.status === "failed") tell(one, name);
  }
  rows.push(...rowsOf(name.replace(/\.json$/, ""), report));
}

/** Last of all, where whoever sees the end only still learns why. `report`: the name of the suite's file. */
function tell({ fullName, failureMessages }, report) {
  const why = failureMessages.join("\n").split("\n");
  console.log(`failed: ${fullName} (${report})\n${why.slice(0, 40).join("\n")}`);
}

/**
 * A test host is a row: seconds, CPU seconds (guests too), guests booted, guests resumed from a memory. Of the unit
 * tests each slow file is one.
 */
function rowsOf(run, report) {
  const [suite, ...words] = run.split("-");
  const [seconds, user, system] = textOf(`${folder}/${run}.time`).trim().split("\n").at(-1).split(" ").map(Number);
  const whole = { suite, file: words.join("-"), tests: report.numTotalTests, seconds, cpu: user + system };
  const starts = textOf(`${folder}/${run}.starts`).split("\n");
  const count = (kind) => starts.filter((one) => one === kind).length;
  if (suite !== "unit") return [{ ...whole, boots: count("boot"), resumes: count("resume") }];
  const files = report.testResults.map(({ name, startTime, endTime, assertionResults }) => ({
    suite,
    file: name.replace(/.*\/test\//, ""),
    tests: assertionResults.length,
    seconds: (endTime - startTime) / 1000,
  }));
  return [{ ...whole, file: "all of them" }, ...files.filter(({ seconds }) => seconds >= LEAST_UNIT_S)];
}

function textOf(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function printTable() {
  const columns = ["suite", "seconds", "cpu", "boots", "resumes", "tests", "file"];
  const shown = (value) => (value === undefined ? "" : typeof value === "number" ? String(Math.round(value)) : value);
  const line = (row) => columns.map((key) => (key === "file" ? row[key] : shown(row[key]).padStart(8))).join(" ");
  console.log(line(Object.fromEntries(columns.map((key) => [key, key]))));
  for (const row of rows.sort((a, b) => b.seconds - a.seconds)) console.log(line(row));
  for (const suite of new Set(rows.map((row) => row.suite))) {
    const own = rows.filter((row) => row.suite === suite && row.cpu !== undefined);
    const total = (key) => own.reduce((sum, row) => sum + (row[key] ?? 0), 0);
    const sums = Object.fromEntries(["seconds", "cpu", "boots", "resumes", "tests"].map((key) => [key, total(key)]));
    console.log(line({ suite, ...sums, file: "together" }));
  }
}

printTable();
if (skipped > 0) console.log(`${skipped} skipped`);
// A suite that died without a report has failed too.
if (failedRuns !== "0" && failed === 0) failed = 1;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || skipped > 0 || passed === 0 ? 1 : 0;
