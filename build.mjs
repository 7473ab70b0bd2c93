// Bundles src/ into dist/: ESM with code splitting, so that each verb loads only what it uses.
import { readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { thirdParty } from "./licences.mjs";
import { pack } from "./pack.mjs";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
/**
 * Node's own modules that cost milliseconds to load and that most lines never call: their functions become ones that
 * load them when called. Classes and constants have no such stand-in: the build fails where ours import one of these.
 */
const LATE = ["crypto", "child_process", "perf_hooks", "os", "v8"];
const lateBuiltins = {
  name: "late-builtins",
  setup(build) {
    const ours = new RegExp(`^${import.meta.dirname}/(src|node_modules/commander)/`);
    const filter = new RegExp(`^(node:)?(${LATE.join("|")})$`);
    build.onResolve({ filter }, ({ path, importer }) =>
      ours.test(importer) ? { path: path.replace("node:", ""), namespace: "late" } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "late" }, ({ path }) => {
      const names = Object.entries(process.getBuiltinModule(`node:${path}`)).filter(
        ([name, value]) => typeof value === "function" && /^[a-z]/.test(name) && name !== "default",
      );
      const late = `const late = () => process.getBuiltinModule("node:${path}");\n`;
      // The clock that performance.now() reads as well, without the eight modules behind it.
      const performance =
        path === "perf_hooks"
          ? "export const performance = { now() { const [s, ns] = process.hrtime(); return s * 1e3 + ns / 1e6; } };\n"
          : "";
      return {
        contents:
          late +
          performance +
          names.map(([name]) => `export const ${name} = (...all) => late().${name}(...all);\n`).join(""),
      };
    });
  },
};

/**
 * What packages load for things that we never ask of them, and touch in no other case: conf's schemas and migrations,
 * and the names of HTML's characters.
 */
export const UNUSED = [
  {
    of: "/node_modules/conf/",
    names: /^(ajv\/dist\/2020\.js|ajv-formats|semver)$/,
    contents: "export const Ajv2020 = undefined;\nexport default undefined;\n",
  },
  {
    of: "/node_modules/@xmldom/xmldom/",
    names: /^\.\/entities$/,
    contents: `exports.XML_ENTITIES = Object.freeze({ amp: "&", apos: "'", gt: ">", lt: "<", quot: '"' });\n`,
  },
];
const withoutUnused = {
  name: "without-unused",
  setup(build) {
    UNUSED.forEach(({ of, names, contents }, index) => {
      const namespace = `unused-${index}`;
      build.onResolve({ filter: names }, ({ path, importer }) =>
        importer.includes(of) ? { path, namespace } : undefined,
      );
      build.onLoad({ filter: /.*/, namespace }, () => ({ contents }));
    });
  },
};

/**
 * What nearly every line loads, bound into one file of dist/: a module costs Node some 0.4 ms to find, read and link,
 * and the bundler makes one file for each set of verbs that share something. What every line comes through loads all of
 * these, so that they are shared by all.
 */
const SHARED = [
  "src/commands/framework/arguments.ts",
  "src/commands/framework/candidates.ts",
  "src/commands/framework/globals.ts",
  "src/commands/framework/help.ts",
  "src/commands/framework/options.ts",
  "src/commands/framework/parse.ts",
  "src/commands/framework/resolve.ts",
  "src/commands/framework/result.ts",
  "src/did-you-mean.ts",
  "src/commands/framework/targets.ts",
  "src/commands/framework/verb.ts",
  "src/core/names.ts",
  "src/core/change-state.ts",
  "src/core/values.ts",
  "src/errors.ts",
  "src/ui/errors.ts",
  "src/ui/output/columns.ts",
  "src/ui/output/json.ts",
  "src/ui/output/options.ts",
  "src/ui/plan.ts",
  "src/ui/text.ts",
  "src/units.ts",
];
const THROUGH = /\/src\/(main|commands\/framework\/(verb|noun))\.ts$/;
const sharedByAll = {
  name: "shared-by-all",
  setup(build) {
    build.onResolve({ filter: /^shared-by-all$/ }, ({ path }) => ({ path, namespace: "shared" }));
    build.onLoad({ filter: /.*/, namespace: "shared" }, () => ({
      contents: SHARED.map((path) => `import "./${path}";\n`).join(""),
      resolveDir: import.meta.dirname,
    }));
    build.onLoad({ filter: THROUGH }, ({ path }) => ({
      contents: `import "shared-by-all";\n${readFileSync(path, "utf8")}`,
      loader: "ts",
    }));
  },
};

/** Bundled CommonJS packages call require() for Node's own modules; an ES module has none of its own. */
const BANNER =
  'import{createRequire as estratoRequire}from"node:module";const require=estratoRequire(import.meta.url);';

/**
 * How the program is bundled; for the tests that measure it, or run parts of it.
 * @type {import("esbuild").BuildOptions}
 */
export const buildOptions = {
  absWorkingDir: import.meta.dirname,
  entryPoints: ["src/main.ts", "src/manual.ts", "src/schemas.ts", "src/host/xmldom.ts"],
  entryNames: "[name]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minifySyntax: true,
  minifyWhitespace: true,
  define: { ESTRATO_VERSION: JSON.stringify(version) },
  banner: { js: BANNER },
  loader: { ".md": "text" }, // the guides, for `estrato help`
  plugins: [sharedByAll, lateBuiltins, withoutUnused],
  logLevel: "warning",
};

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  const dist = resolve(import.meta.dirname, process.argv[2] ?? "dist");
  const next = `${dist}.${process.pid}`; // two builds at once do not write into one folder
  rmSync(next, { recursive: true, force: true });
  const { metafile } = await build({ ...buildOptions, outdir: next, metafile: true });
  await pack(next, metafile, BANNER);
  writeFileSync(join(next, "THIRD-PARTY.txt"), thirdParty(import.meta.dirname, metafile));
  // A build that fails leaves the last one as it was.
  rmSync(dist, { recursive: true, force: true });
  renameSync(next, dist);
}
