import { defineConfig, type Plugin } from "vitest/config";
import { UNUSED } from "./build.mjs";

/** What hangs is ended; what is slow, on a busy machine, is not. */
const UNIT_MS = 600_000;
const GUEST_MS = 2_400_000;

const CONF = "/node_modules/conf/";

/** Unit tests that write through conf run what ships: the build replaces parts of it. */
const confAsBuilt: Plugin = {
  name: "conf-as-built",
  enforce: "pre",
  resolveId(name, importer) {
    const found = UNUSED.findIndex(({ of, names }) => of === CONF && importer?.includes(of) && names.test(name));
    return found < 0 ? undefined : `\0unused-${found}`;
  },
  load: (id) => (id.startsWith("\0unused-") ? UNUSED[Number(id.slice("\0unused-".length))]?.contents : undefined),
};

/** As the build does it. */
const guidesAsText: Plugin = {
  name: "guides-as-text",
  transform: (code, id) => (id.endsWith(".md") ? `export default ${JSON.stringify(code)}` : undefined),
};

export default defineConfig({
  test: {
    // Of the unit tests, by `npm run coverage`: no folder may fall below its share. Most of host needs a real host.
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text", "json-summary"],
      thresholds: {
        "src/core/**": { lines: 95 },
        "src/store/**": { lines: 95 },
        "src/commands/**": { lines: 94 },
        "src/ui/**": { lines: 93 },
        "src/manual/**": { lines: 96 },
        "src/host/**": { lines: 48 },
        "src/*.ts": { lines: 78 },
      },
    },
    projects: [
      {
        plugins: [confAsBuilt, guidesAsText],
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          testTimeout: UNIT_MS,
          hookTimeout: UNIT_MS,
          server: { deps: { inline: [/\/node_modules\/conf\//] } },
        },
      },
      {
        test: {
          name: "host",
          include: ["test/host/**/*.test.ts"],
          testTimeout: GUEST_MS,
          hookTimeout: GUEST_MS,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "e2e",
          // The program as it ships, not as vitest would make it anew.
          server: { deps: { external: [/\/dist\//] } },
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: GUEST_MS,
          hookTimeout: GUEST_MS,
          fileParallelism: false,
        },
      },
    ],
  },
});
