// npm run torture -- [fuzz] [--bed 12|13] [OPTIONS of main.ts, or of fuzz/main.ts]: builds the program and the walk (or
// the fuzz), and starts it in a bed.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";

const root = resolve(import.meta.dirname, "../..");
const words = process.argv.slice(2);
const at = words.indexOf("--bed");
const [, bed = "12"] = at < 0 ? [] : words.splice(at, 2);
const main = words[0] === "fuzz" ? `${words.shift()}/main` : "main";

const sure = (program, args) => {
  const { status } = spawnSync(program, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
};
sure(process.execPath, [join(root, "build.mjs")]);

const outfile = join(root, "node_modules/.cache/torture/main.mjs");
await build({
  absWorkingDir: root,
  entryPoints: [join(root, `test/torture/${main}.ts`)],
  outfile,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  banner: {
    js: 'import{createRequire as estratoRequire}from"node:module";const require=estratoRequire(import.meta.url);',
  },
  plugins: [
    {
      // Where each file lies is asked of the source, not of the bundle.
      name: "own-folder",
      setup: ({ onLoad }) =>
        onLoad({ filter: /\/test\/.*\.ts$/ }, ({ path }) => ({
          contents: readFileSync(path, "utf8").replaceAll("import.meta.dirname", JSON.stringify(dirname(path))),
          loader: "ts",
        })),
    },
  ],
});
sure(join(root, "test/bed/bed"), ["--gen", bed, "run", "--", process.execPath, outfile, ...words]);
