import { expect, test } from "vitest";
import { command, write } from "../world.ts";
import { backup, night, withTarget } from "./world.ts";

test("a copy is cut by an interruption, whether all is copied or only what has changed", async () => {
  const on = await withTarget();
  await night(on);
  write(on, 2, "new");
  for (const incremental of [true, false]) {
    const ending = new AbortController();
    const world = command(on, { signal: ending.signal });
    const { perform } = world.host;
    const told: unknown[] = [];
    world.host.perform = async (action, how) => {
      if (action.do.startsWith("convert")) told.push([action.do, how?.signal === ending.signal]);
      return perform(action, how);
    };
    await backup(world, { incremental });
    expect(told).toEqual([[incremental ? "convert-delta" : "convert", true]]);
  }
});
