// Bundles src/ into dist/: ESM with code splitting, so that each verb loads only what it uses.
import { readFileSync, rmSync } from "node:fs";
import { build } from "esbuild";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
rmSync(new URL("dist", import.meta.url), { recursive: true, force: true });
await build({
  entryPoints: ["src/main.ts", "src/manual.ts"],
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minifySyntax: true,
  minifyWhitespace: true,
  define: { ESTRATO_VERSION: JSON.stringify(version) },
  // Bundled CommonJS packages call require() for Node's own modules; an ESM file has none of its own.
  banner: {
    js: 'import{createRequire as estratoRequire}from"node:module";const require=estratoRequire(import.meta.url);',
  },
  logLevel: "warning",
});
