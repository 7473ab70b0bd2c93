/** Which modules a line loads: start-up time, without a clock. */
import { build, type Metafile } from "esbuild";
import { beforeAll, expect, test } from "vitest";
import { buildOptions } from "../../../build.mjs";

/** Not valibot (2 ms): each kind of operation says in it what the journal remembers. */
const HEAVY = ["execa", "conf", "@inquirer/prompts", "@xmldom/xmldom", "yaml", "@jmespath-community/jmespath", "chalk"];
let metafile: Metafile;

beforeAll(async () => {
  const result = await build({ ...buildOptions, write: false, metafile: true, outdir: "dist" });
  metafile = result.metafile;
});

/** The packages in what is loaded with a file of src, without what it loads later. */
function packagesOf(entry: string): Set<string> {
  const outputs = Object.entries(metafile.outputs);
  const start = outputs.find(([, output]) => output.entryPoint === entry)?.[0];
  if (start === undefined) throw new Error(`${entry} is nowhere loaded lazily`);
  const seen = new Set<string>();
  const queue = [start];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const one of metafile.outputs[file]?.imports ?? []) {
      if (one.kind === "import-statement" && !one.external) queue.push(one.path);
    }
  }
  const packages = new Set<string>();
  for (const file of seen) {
    for (const input of Object.keys(metafile.outputs[file]?.inputs ?? {})) {
      const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
      if (name !== undefined) packages.add(name);
    }
  }
  return packages;
}

test("--help and --version load no package at all", () => {
  expect([...packagesOf("src/main.ts")]).toEqual([]);
});

test("the help of any noun or verb loads none of the heavy packages", () => {
  const entries = Object.values(metafile.outputs).flatMap(({ entryPoint }) =>
    entryPoint?.startsWith("src/commands/") ? [entryPoint] : [],
  );
  expect(entries.length).toBeGreaterThan(20);
  for (const entry of entries) {
    const packages = packagesOf(entry);
    expect(
      HEAVY.filter((name) => packages.has(name)),
      entry,
    ).toEqual([]);
  }
});

test("a list loads the store with valibot, and neither conf nor the host's packages", () => {
  expect([...packagesOf("src/storage.ts")]).toEqual(["valibot"]);
  expect([...packagesOf("src/commands/framework/run.ts")]).toEqual([]);
});

test("what reads libvirt's plain XML does not load the parser with it", () => {
  const reading = Object.values(metafile.outputs).filter(({ inputs }) => inputs["src/host/xml.ts"] !== undefined);
  expect(reading).toHaveLength(1);
  expect(Object.keys(reading[0]?.inputs ?? {}).filter((path) => path.includes("@xmldom"))).toEqual([]);
});
