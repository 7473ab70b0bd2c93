/** `--follow` of `event list` and `instance log`: what is chosen, and who ends it. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Clock } from "../../../src/core/ports.ts";
import { type Bed, command } from "../core/world.ts";
import { estate, printed, run } from "./estate.ts";
import type { LineOptions, LineResult } from "./line.ts";

/** Whose sleeps do something each, and whose last one is Ctrl-C. */
async function followed(on: Bed, line: string, steps: readonly (() => unknown)[], how: LineOptions = {}) {
  const stop = new AbortController();
  let slept = 0;
  const clock: Clock = {
    now: on.clock.now,
    elapsedMs: on.clock.elapsedMs,
    async sleep() {
      const step = steps[slept];
      slept += 1;
      if (step === undefined) stop.abort();
      else await step();
    },
  };
  const result: LineResult = await run(on, line, { clock, signal: stop.signal, ...how });
  return { ...result, slept };
}

test("event list --follow writes only what --filter lets through, of before and of what comes", async () => {
  const on = await estate();
  const make = (name: string) => () => printed(on, `flavor create ${name} --ram 1G --disk 1G`);
  await make("one")();
  const line = "event list --follow -f json --filter operation=flavor.create";
  const { exit, stdout } = await followed(on, line, [make("two"), () => printed(on, "flavor delete one")]);
  const operations = stdout
    .trimEnd()
    .split("\n")
    .map((text) => JSON.parse(text).operation);
  expect({ exit, operations }).toEqual({ exit: 0, operations: ["flavor.create", "flavor.create"] });
});

test("event list --follow writes objects where the setting asks for json, and refuses what it does not do", async () => {
  const on = await estate();
  const env = { ESTRATO_FORMAT: "json" };
  const { stdout } = await followed(on, "event list --follow --limit 1", [], { env });
  expect(JSON.parse(stdout)).toMatchObject({ result: "done" });
  for (const [option, said] of [
    ["-f csv", "--format csv"],
    ["-c target", "--column"],
    ["--query [0]", "--query"],
    ["--sort target", "--sort"],
  ] as const) {
    expect(await run(on, `event list --follow ${option}`)).toMatchObject({
      exit: 2,
      stdout: "",
      stderr: expect.stringContaining(`--follow and ${said}`),
    });
  }
});

test("following ends well when nobody reads on, with the next that is written", async () => {
  const on = await estate();
  const make = (name: string) => () => printed(on, `flavor create ${name} --ram 1G --disk 1G`);
  const none = () => undefined;
  const events = await followed(on, "event list --follow", [none, make("one"), none, none], { taken: 1 });
  expect(events).toMatchObject({ exit: 0, stderr: "", slept: 2 });

  const folder = mkdtempSync(join(tmpdir(), "estrato-log-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "console.log");
  writeFileSync(file, "booting\n");
  const { host, store } = command(on);
  host.addFile(file);
  const withLog = { host, store: { ...store, paths: { ...store.paths, consoleLog: () => file } }, taken: 1 };
  const steps = [none, () => appendFileSync(file, "login:\n"), none];
  const log = await followed(on, "instance log web1 --follow", steps, withLog);
  expect(log).toMatchObject({ exit: 0, stdout: "booting\n", slept: 2 });
});
