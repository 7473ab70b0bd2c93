import { defineConfig } from "vitest/config";

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
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30_000 } },
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
