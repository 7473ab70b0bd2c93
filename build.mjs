// Bundles src/ into dist/: ESM with code splitting, so that each verb loads only what it uses.
import { readFileSync, renameSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { build } from "esbuild";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const dist = resolve(import.meta.dirname, process.argv[2] ?? "dist");
const next = `${dist}.next`;
rmSync(next, { recursive: true, force: true });

/**
 * Node's own modules that cost milliseconds to load and that most lines never call: their functions become ones that load them when called.
 * Classes and constants have no such stand-in: the build fails where ours import one of these.
 */
const LATE = ["crypto", "child_process", "perf_hooks", "os"];
const lateBuiltins = {
  name: "late-builtins",
  setup(build) {
    const ours = new RegExp(`^${import.meta.dirname}/(src|node_modules/commander)/`);
    const filter = new RegExp(`^(node:)?(${LATE.join("|")})$`);
    build.onResolve({ filter }, ({ path, importer }) =>
      ours.test(importer) ? { path: path.replace("node:", ""), namespace: "late" } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "late" }, async ({ path }) => {
      const names = Object.entries(await import(`node:${path}`)).filter(
        ([name, value]) => typeof value === "function" && /^[a-z]/.test(name) && name !== "default",
      );
      const late = `const late = () => process.getBuiltinModule("node:${path}");\n`;
      const performance =
        path === "perf_hooks" ? "export const performance = { now: () => globalThis.performance.now() };\n" : "";
      return {
        contents:
          late +
          performance +
          names.map(([name]) => `export const ${name} = (...all) => late().${name}(...all);\n`).join(""),
      };
    });
  },
};

/** What packages load for things that we never ask of them, and touch in no other case: conf's schemas and migrations, and the names of HTML's characters. */
const UNUSED = [
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

await build({
  entryPoints: ["src/main.ts", "src/manual.ts"],
  outdir: next,
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
  plugins: [lateBuiltins, withoutUnused],
  logLevel: "warning",
});
// A build that fails leaves the last one as it was.
rmSync(dist, { recursive: true, force: true });
renameSync(next, dist);
