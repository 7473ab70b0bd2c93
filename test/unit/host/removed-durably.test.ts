/** A file that an operation removes does not come back with a power cut, when nothing remembers it any more. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { afterAll, expect, test } from "vitest";
import { buildOptions } from "../../../build.mjs";
import { changesBelow } from "../store/strace.ts";

const folder = mkdtempSync(join(tmpdir(), "estrato-removed-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the name of a removed file is gone from the disk when the action has ended", async () => {
  const program = join(folder, "program.mjs");
  const contents = `
    import { perform } from "./src/host/actions.ts";
    for (const path of process.argv.slice(2)) await perform({}, { do: "unlink", path });`;
  const { entryPoints: _, outdir: __, ...options } = buildOptions;
  const stdin = { contents, resolveDir: resolve(import.meta.dirname, "../../.."), loader: "ts" as const };
  await build({ ...options, stdin, splitting: false, outfile: program });
  const layers = mkdtempSync(join(folder, "layers-"));
  const file = join(layers, "lay-00000000000000001.qcow2");
  writeFileSync(file, "");
  const { NODE_EXTRA_CA_CERTS: ___, ...env } = process.env;
  // Absent is fine, wherever it is.
  const absent = [join(layers, "absent"), join(folder, "no-folder", "absent")];
  const changes = changesBelow(layers, [process.execPath, program, file, ...absent], env);
  expect(changes).toEqual([{ path: "lay-00000000000000001.qcow2", kind: "removed", content: true, name: true }]);
});
