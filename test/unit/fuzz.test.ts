/** A minute of what the fuzz throws (test/torture/fuzz), always the same: `npm run torture -- fuzz` is long. */
import { expect, test } from "vitest";
import { runBatch } from "../torture/fuzz/run.ts";
import { KINDS } from "../torture/fuzz/table.ts";

const SEED = 20_250_101;
/** So many times the few that each kind takes a second for. */
const TIMES = 10;

const QUICK = KINDS.filter(({ few }) => few > 0);

test.for(QUICK.map((kind) => [kind.name, kind] as const))(
  "whatever is thrown as %s is taken, or refused in one line",
  async ([, kind]) => {
    expect((await runBatch(kind, SEED, kind.few * TIMES, Number.POSITIVE_INFINITY)).failure).toBeNull();
  },
);
