/**
 * Operations that a program of the first version left half-way: each is ended by this one, and what was promised holds.
 * recorded/*.json was written by that version itself: every kind of operation ran on a machine in memory and was killed
 * at two instants, and all that was then on that machine and in its store was written down. The state is of version 1;
 * the entries of the journal know no version and no parent.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bedOf, type Recorded } from "./recorded.ts";
import { recoverRecorded } from "./recorded-checks.ts";

const FOLDER = new URL("recorded/", import.meta.url);
const files = readdirSync(FOLDER).sort();
const read = (file: string) => JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as Recorded[];

test("every kind of operation of that version is here", () => {
  expect(files).toHaveLength(28);
});

describe.each(files)("%s of the first version", (file) => {
  test.each(read(file).map((each) => [each.of, each.killed, each] as const))(
    "%s, killed %s, is ended",
    async (_, __, recorded) => {
      const kind = file.replace(/\.json$/, "");
      expect(recorded.disk.journal.map((entry) => entry.kind)).toContain(kind);
      await recoverRecorded(bedOf(recorded), recorded);
    },
  );
});
