// Adds up the reports of the suites and prints the one line that counts. Exits 1 where anything failed, was skipped, or nothing ran.
import { readdirSync, readFileSync } from "node:fs";

const [folder, failedRuns] = process.argv.slice(2);
let passed = 0;
let failed = 0;
let skipped = 0;
for (const name of readdirSync(folder).filter((one) => one.endsWith(".json"))) {
  const report = JSON.parse(readFileSync(`${folder}/${name}`, "utf8"));
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  skipped += report.numPendingTests + report.numTodoTests;
  for (const file of report.testResults) {
    if (file.status === "failed" && file.assertionResults.length === 0) failed += 1; // it did not even load
    for (const one of file.assertionResults) if (one.status === "failed") tell(one, name);
  }
}

/** Last of all, where whoever sees the end only still learns why. `report`: the name of the suite's file. */
function tell({ fullName, failureMessages }, report) {
  const why = failureMessages.join("\n").split("\n");
  console.log(`failed: ${fullName} (${report})\n${why.slice(0, 40).join("\n")}`);
}

if (skipped > 0) console.log(`${skipped} skipped`);
// A suite that died without a report has failed too.
if (failedRuns !== "0" && failed === 0) failed = 1;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || skipped > 0 || passed === 0 ? 1 : 0;
