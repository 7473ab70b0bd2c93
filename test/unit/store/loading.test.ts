import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { buildOptions } from "../../../build.mjs";

/** The source files that are loaded with `entry` before anything is called, as the built program splits them. */
async function loadedWith(entry: string): Promise<string[]> {
  const entryPoints = [`src/store/${entry}`];
  const { metafile } = await build({ ...buildOptions, entryPoints, write: false, metafile: true, outdir: "out" });
  const first = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint?.endsWith(entry));
  const pending = [first?.[0] ?? ""];
  const seen = new Set(pending);
  const inputs: string[] = [];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    const output = metafile.outputs[file];
    inputs.push(...Object.keys(output?.inputs ?? {}));
    for (const { path, kind } of output?.imports ?? []) {
      if (kind === "import-statement" && path in metafile.outputs && !seen.has(path)) {
        seen.add(path);
        pending.push(path);
      }
    }
  }
  return inputs;
}

describe.each(["index.ts", "settings.ts"])("store/%s", (entry) => {
  it("loads neither conf nor anything of its before a write", async () => {
    const loaded = await loadedWith(entry);
    expect(loaded.some((file) => file.endsWith(`src/store/${entry}`))).toBe(true);
    const packages = loaded.map((file) => /node_modules\/([^/]+)/.exec(file)?.[1]).filter((name) => name !== undefined);
    expect([...new Set(packages)]).toEqual(entry === "index.ts" ? ["valibot"] : []);
  });
});

it("is tested with the conf that ships, whose schemas the build leaves out", async () => {
  const { default: Conf } = await import("conf");
  const cwd = mkdtempSync(join(tmpdir(), "estrato-conf-"));
  try {
    expect(() => new Conf({ cwd, schema: { a: { type: "string" } } })).toThrow(TypeError);
  } finally {
    rmSync(cwd, { recursive: true });
  }
});
