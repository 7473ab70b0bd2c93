import { defineConfig } from "vitest/config";

/** What hangs is ended; what is slow, on a busy machine, is not. */
const UNIT_MS = 600_000;
const GUEST_MS = 2_400_000;

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: UNIT_MS, hookTimeout: UNIT_MS } },
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
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: GUEST_MS,
          hookTimeout: GUEST_MS,
          fileParallelism: false,
        },
      },
    ],
  },
});
