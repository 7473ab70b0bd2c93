import { expect, test } from "vitest";
import { fakeIds } from "../../fake/clock.ts";
import { fakeHost } from "../../fake/host.ts";
import { fakeStore } from "../../fake/store.ts";
import { runLine } from "./line.ts";

/** A volume whose file has the wrong mode. */
async function meddled() {
  const host = fakeHost();
  const at = { host, store: fakeStore(), ids: fakeIds() };
  await runLine(["volume", "create", "data1", "--size", "1M"], at);
  const [path = ""] = Object.values((await at.store.read()).layers).map(({ file }) => file);
  await host.perform({ do: "set-mode", path, mode: 0o644 });
  return { at, path };
}

test("doctor says findings in whole sentences to a person, in columns to a pipe, and exits with 9 until they are mended", async () => {
  const { at, path } = await meddled();
  const problem = "its mode is 0644, and should be 0600: it is a head";
  const people = await runLine(["doctor"], { ...at, terminal: true, env: { NO_COLOR: "1", COLUMNS: "40" } });
  expect(people).toMatchObject({ exit: 9, stdout: `${path}: ${problem}\n  Set the mode.\n` });
  expect((await runLine(["doctor"], at)).stdout).toBe(`${path}\t${problem}\tSet the mode.\tfound\n`);
  const chosen = ["doctor", "--filter", "subject=other", "--no-header"];
  expect((await runLine(chosen, { ...at, terminal: true })).stdout).toBe("");
  const repaired = await runLine(["doctor", "--repair"], { ...at, terminal: true, env: { NO_COLOR: "1" } });
  expect(repaired).toMatchObject({ exit: 0, stdout: `${path}: ${problem}\n  mended: Set the mode.\n` });
  expect(await runLine(["doctor", "-f", "json"], at)).toMatchObject({ exit: 0, stdout: "[]\n" });
});

test("who ends doctor while it mends gives it time to undo or finish that", async () => {
  const told: boolean[] = [];
  const { at } = await meddled();
  const willChange = (changes: boolean) => void told.push(changes);
  for (const options of [[], ["--repair", "--dry-run"], ["--repair"]])
    await runLine(["doctor", ...options], { ...at, willChange });
  expect(told).toEqual([false, false, true]);
});
