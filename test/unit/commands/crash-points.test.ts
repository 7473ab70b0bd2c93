import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { crashPoint } from "../../../src/crash-points.ts";

const step = { operation: "snapshot.create", index: 2, id: "switch-disks", title: "Switch", phase: "before" } as const;

test("steps are listed where a test asks for them, and nowhere else", () => {
  const folder = mkdtempSync(join(tmpdir(), "estrato-steps-"));
  const file = join(folder, "steps");
  crashPoint({}, step);
  crashPoint({ ESTRATO_TEST_STEPS: file }, step);
  crashPoint({ ESTRATO_TEST_STEPS: file }, { ...step, phase: "after" });
  const lines = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  rmSync(folder, { recursive: true });
  expect(lines).toEqual([step, { ...step, phase: "after" }]);
});

test("the process dies at the named step, and at no other", () => {
  const script = (at: string): string =>
    `import { build } from "esbuild";
     import { buildOptions } from "./build.mjs";
     const entryPoints = ["src/crash-points.ts"];
     const { outputFiles } = await build({ ...buildOptions, banner: {}, entryPoints, splitting: false, write: false });
     const { crashPoint } = await import("data:text/javascript," + encodeURIComponent(outputFiles[0].text));
     crashPoint({ ESTRATO_TEST_CRASH: "${at}" }, ${JSON.stringify(step)});
     console.log("alive");`;
  const run = (at: string) =>
    spawnSync(process.execPath, ["--input-type=module", "-e", script(at)], { encoding: "utf8" });
  expect(run("snapshot.create:2:before")).toMatchObject({ signal: "SIGKILL", stdout: "" });
  expect(run("snapshot.create:2:after")).toMatchObject({ signal: null, stdout: "alive\n" });
});
