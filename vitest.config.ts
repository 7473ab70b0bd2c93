import { defineConfig, type Plugin } from "vitest/config";
import { UNUSED } from "./build.mjs";

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
        plugins: [confAsBuilt],
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          testTimeout: 30_000,
          hookTimeout: 120_000,
          server: { deps: { inline: [/\/node_modules\/conf\//] } },
        },
      },
      {
        test: {
          name: "host",
          include: ["test/host/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 1_200_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
