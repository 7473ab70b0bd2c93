/** `instance exec`, `push` and `pull` on a fake agent whose files and shell are this machine's. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { AgentAnswer, AgentCommand } from "../../../src/core/model/host.ts";
import { agentOf } from "../../fake/agent.ts";
import type { Bed } from "../core/world.ts";
import { estate as anyEstate, domainOf, run } from "./estate.ts";

/** Its guest web1 touches this machine, in folders of the tests. */
async function estate(): Promise<Bed> {
  const on = await anyEstate();
  agentOf(domainOf(on, "web1")).mayTouch = true;
  return on;
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "estrato-guest."));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const said = (value: unknown): AgentAnswer => ({ refused: null, value });
const SILENT: AgentAnswer = { refused: "silent", words: "it is gone" };

/** Answers in the agent's place where `answer` knows one. */
function hooked(on: Bed, answer: (command: AgentCommand) => AgentAnswer | undefined): void {
  agentOf(domainOf(on, "web1")).hook = answer;
}

/** Once, in the agent's place, to the first such command. */
function once(on: Bed, execute: string, answer: AgentAnswer): void {
  let isOver = false;
  hooked(on, (command) => {
    if (isOver || command.execute !== execute) return undefined;
    isOver = true;
    return answer;
  });
}

const scriptsOf = (on: Bed) =>
  agentOf(domainOf(on, "web1")).asked.flatMap(({ arguments: { arg } = {} }) =>
    Array.isArray(arg) ? [arg as string[]] : [],
  );

test("a guest that thaws right after it said what it forbids is no agent that forbids anything", async () => {
  const on = await estate();
  once(on, "guest-info", said({ version: "9.2", supported_commands: [{ name: "guest-exec", enabled: false }] }));
  expect(await run(on, "instance exec web1 -- sh -c exit·3")).toMatchObject({ exit: 3 });
});

test("exec passes its exit code on, and 128 and the number of a signal that ended it", async () => {
  const on = await estate();
  for (const [line, exit] of [
    ["exit·7", 7],
    ["exit·254", 254],
    ["kill·-9·$$", 137],
    ["kill·-15·$$", 143],
  ] as const)
    expect(await run(on, `instance exec web1 -- sh -c ${line}`)).toEqual({ exit, stdout: "", stderr: "" });
  const { exit, stderr } = await run(on, "instance exec web1 -- nosuchprogram");
  expect(exit).toBe(127);
  expect(stderr).toContain("nosuchprogram");
});

test("exec hands its standard input on, and words as they are", async () => {
  const on = await estate();
  const input = "first\n'\"$HOME;ñ\n";
  expect(await run(on, "instance exec web1 --stdin -- cat", { input })).toEqual({ exit: 0, stdout: input, stderr: "" });
  expect(await run(on, "instance exec web1 -- cat", { input })).toEqual({ exit: 0, stdout: "", stderr: "" });
  const words = "a·b '\";$HOME \\n ñ ; --stdin";
  const { stdout } = await run(on, `instance exec web1 -- printf %s| ${words}`);
  expect(stdout).toBe(
    `${words
      .replaceAll("·", " ")
      .split(/(?<!a) /)
      .join("|")}|`,
  );
});

test("exec gives all of what is said, in both streams, and leaves nothing in the guest", async () => {
  const on = await estate();
  const before = readdirSync("/var/tmp");
  const big = "yes·ab·|·head·-c·3000001;·echo·bad·>&2";
  const { exit, stdout, stderr } = await run(on, `instance exec web1 -- sh -c ${big}`);
  expect({ exit, length: stdout.length, stderr }).toEqual({ exit: 0, length: 3_000_001, stderr: "bad\n" });
  expect(stdout).toMatch(/^(ab\n)+a$/);
  expect(readdirSync("/var/tmp")).toEqual(before);
});

test("exec -f json keeps 16 MiB of a stream, and says that it is not all; what is no text is base64", async () => {
  const on = await estate();
  const long = await run(on, "instance exec web1 -f json -- sh -c head·-c·17000000·/dev/zero|tr·'\\0'·a;·exit·3");
  const { stdout, ...rest } = JSON.parse(long.stdout);
  expect({ exit: long.exit, length: stdout.length, ...rest }).toMatchObject({
    exit: 3,
    length: 16 * 2 ** 20,
    exit_code: 3,
    signal: null,
    truncated: true,
    encoding: "utf-8",
    changed: true,
  });
  const bytes = await run(on, "instance exec web1 -f json -- printf \\377");
  expect(JSON.parse(bytes.stdout)).toMatchObject({ stdout: "/w==", encoding: "base64", truncated: false });
});

test("exec outlives a freeze of a moment, and an answer that was lost", async () => {
  const on = await estate();
  for (const answer of [{ refused: "disabled", words: "frozen" }, SILENT] as const) {
    once(on, "guest-file-read", answer);
    expect(await run(on, "instance exec web1 -- echo whole")).toEqual({ exit: 0, stdout: "whole\n", stderr: "" });
  }
});

test("exec that is interrupted tells the command so", async () => {
  const on = await estate();
  const interruption = new AbortController();
  let scripts = 0;
  hooked(on, ({ execute }) => {
    if (execute === "guest-exec") scripts += 1;
    if (execute !== "guest-exec-status" || scripts !== 2) return undefined;
    interruption.abort();
    return said({ exited: false });
  });
  const { exit, stderr } = await run(on, "instance exec web1 -- true", { signal: interruption.signal });
  expect({ exit, stderr }).toEqual({ exit: 130, stderr: expect.stringMatching(/web1: interrupted, and so is true/) });
  expect(scriptsOf(on)).toContainEqual(["-c", 'kill -"$1" "$2"', "estrato", "2", expect.any(String)]);
});

test("the log of events says that something was run, and not what", async () => {
  const on = await estate();
  await run(on, "instance exec web1 -- echo secret -- more");
  const [event] = JSON.parse((await run(on, "event list -f json")).stdout);
  expect(event).toMatchObject({ operation: "instance.exec", target: "web1", result: "done" });
  expect(JSON.stringify(event)).not.toMatch(/secret|more/);
});

test("push keeps the mode of the file that is there, writes through a link, and gives a new file 0644", async () => {
  const on = await estate();
  const at = folder();
  writeFileSync(join(at, "conf"), "old");
  chmodSync(join(at, "conf"), 0o640);
  symlinkSync("conf", join(at, "link"));
  for (const [to, input, mode] of [
    ["link", "new", 0o640],
    ["conf --mode 0600", "newer", 0o600],
    ["fresh", "", 0o644],
  ] as const) {
    const name = to.split(" ")[0]?.replace("link", "conf") ?? "";
    expect(await run(on, `instance push web1 - ${at}/${to}`, { input })).toEqual({ exit: 0, stdout: "", stderr: "" });
    expect(readFileSync(join(at, name), "utf8")).toBe(input);
    expect(statSync(join(at, name)).mode & 0o7777).toBe(mode);
  }
  expect(lstatSync(join(at, "link")).isSymbolicLink()).toBe(true);
  expect(readdirSync(at).sort()).toEqual(["conf", "fresh", "link"]);
});

test("push goes on behind an answer that was lost, from where it was", async () => {
  const on = await estate();
  const at = folder();
  const content = Buffer.alloc(400_000, "0123456789abc").toString();
  let writes = 0;
  hooked(on, ({ execute }) => {
    if (execute === "guest-file-write") writes += 1;
    return execute === "guest-file-write" && writes === 3 ? SILENT : undefined;
  });
  const { exit } = await run(on, `instance push web1 - ${at}/big`, { input: content });
  expect(exit).toBe(0);
  expect(readFileSync(join(at, "big"), "utf8")).toBe(content);
});

test("push that fails in the middle leaves the old file, and nothing beside it", async () => {
  const on = await estate();
  const at = folder();
  writeFileSync(join(at, "conf"), "old");
  for (const [execute, answer, exit] of [
    ["guest-file-write", { refused: "failed", words: "No space left on device" }, 1],
    ["guest-file-write", said({ count: 10 ** 9 }), 1],
    ["guest-file-write", said("nonsense"), 1],
    ["guest-file-flush", { refused: "off", words: "" }, 5],
    ["guest-file-open", said({ handle: 1 }), 1],
  ] as const) {
    hooked(on, (command) => (command.execute === execute ? answer : undefined));
    expect((await run(on, `instance push web1 - ${at}/conf`, { input: "new" })).exit).toBe(exit);
    expect(readFileSync(join(at, "conf"), "utf8")).toBe("old");
    expect(readdirSync(at)).toEqual(["conf"]);
  }
});

test("push reads back what it wrote where the guest has no sha256sum", async () => {
  const on = await estate();
  const at = folder();
  const pid = 77;
  let isAsked = false;
  hooked(on, ({ execute, arguments: { arg, pid: of } = {} }) => {
    if (execute === "guest-exec-status" && of === pid) return said({ exited: true, exitcode: 21 });
    if (execute !== "guest-exec" || !Array.isArray(arg) || arg[5] === undefined || arg[5].length !== 64)
      return undefined;
    isAsked = true;
    return said({ pid });
  });
  expect((await run(on, `instance push web1 - ${at}/conf`, { input: "new" })).exit).toBe(0);
  expect(isAsked).toBe(true);
  expect(readFileSync(join(at, "conf"), "utf8")).toBe("new");
});

test("push clears away what one that was killed has left, when an hour has passed, and nothing of others", async () => {
  const on = await estate();
  const at = folder();
  for (const name of [".estrato-op-1.push", ".estrato-op-2.push", ".other"]) writeFileSync(join(at, name), "left");
  const longAgo = Date.now() / 1000 - 7200;
  for (const name of [".estrato-op-1.push", ".other"]) utimesSync(join(at, name), longAgo, longAgo);
  await run(on, `instance push web1 - ${at}/conf`, { input: "new" });
  const isRoot = process.getuid?.() === 0; // the agent is; only its own files are cleared away
  expect(readdirSync(at)).toEqual([...(isRoot ? [] : [".estrato-op-1.push"]), ".estrato-op-2.push", ".other", "conf"]);
});

test("pull brings a file whole, with its mode, in the place of a link and not through it", async () => {
  const on = await estate();
  const [guest, here] = [folder(), folder()];
  const bytes = Buffer.alloc(2_500_000, createHash("sha256").update("x").digest());
  writeFileSync(join(guest, "data"), bytes, { mode: 0o640 });
  writeFileSync(join(here, "victim"), "untouched");
  symlinkSync("victim", join(here, "data"));
  const { exit, stdout, stderr } = await run(on, `instance pull web1 ${guest}/data ${here}`);
  expect({ exit, stdout, stderr }).toEqual({ exit: 0, stdout: "", stderr: "" });
  expect(readFileSync(join(here, "data")).equals(bytes)).toBe(true);
  expect(lstatSync(join(here, "data")).mode & 0o7777).toBe(0o640 & ~process.umask());
  expect(readFileSync(join(here, "victim"), "utf8")).toBe("untouched");
  expect(readdirSync(here).sort()).toEqual(["data", "victim"]);
  expect((await run(on, `instance pull web1 ${guest}/data -`)).stdout).toHaveLength(bytes.toString().length);
  // One that says that it is empty.
  expect((await run(on, "instance pull web1 /proc/self/status -")).stdout).toContain("Name:");
});

test("pull --dry-run says where it would go, and leaves what is there", async () => {
  const on = await estate();
  const [guest, here] = [folder(), folder()];
  writeFileSync(join(guest, "data"), "theirs");
  writeFileSync(join(here, "data"), "mine");
  expect(await run(on, `instance pull web1 ${guest}/data ${here} --dry-run`)).toEqual({
    exit: 0,
    stdout: `1. Write ${guest}/data of web1 (6 B) to ${here}/data\n`,
    stderr: "",
  });
  expect((await run(on, `instance pull web1 ${guest}/data - -n`)).stdout).toContain("to standard output\n");
  expect((await run(on, `instance pull web1 ${guest}/nosuch ${here} -n`)).exit).toBe(4);
  expect(readFileSync(join(here, "data"), "utf8")).toBe("mine");
  expect(readdirSync(here)).toEqual(["data"]);
});

test("pull believes nothing that a guest says of a file, and leaves what was here", async () => {
  const on = await estate();
  const [guest, here] = [folder(), folder()];
  writeFileSync(join(guest, "data"), "0123456789");
  writeFileSync(join(here, "data"), "mine");
  const megabyte = said({ count: 2 ** 20, "buf-b64": Buffer.alloc(2 ** 20).toString("base64"), eof: false });
  const empty = said({ count: 0, "buf-b64": "", eof: true });
  const tricks: readonly (readonly [string, AgentAnswer, number, string])[] = [
    ["data", megabyte, 1, "nonsense"],
    ["data", said({ count: 3, "buf-b64": "AA==", eof: false }), 1, "nonsense"],
    ["data", said({ count: 3, "buf-b64": "\u001b[2J", eof: false }), 1, "nonsense"],
    ["data", said(null), 1, "nonsense"],
    ["data", empty, 1, "it became shorter"],
    ["data", SILENT, 6, "does not answer"],
    ["none", megabyte, 6, "are free here"], // endless
  ];
  writeFileSync(join(guest, "none"), "");
  on.machine.freeBytes = 5 * 2 ** 20;
  for (const [name, answer, exit, words] of tricks) {
    hooked(on, ({ execute }) => (execute === "guest-file-read" ? answer : undefined));
    const result = await run(on, `instance pull web1 ${guest}/${name} ${here}/data`);
    expect({ exit: result.exit, stderr: result.stderr }).toEqual({ exit, stderr: expect.stringContaining(words) });
    expect(readFileSync(join(here, "data"), "utf8")).toBe("mine");
    expect(readdirSync(here)).toEqual(["data"]);
  }
});

test("what a guest says of an error is one line without control characters", async () => {
  const on = await estate();
  hooked(on, ({ execute }) =>
    execute === "guest-exec-status"
      ? said({ exited: true, exitcode: 1, "err-data": Buffer.from("a\u001b[2Jb\nc\u202ed\n").toString("base64") })
      : undefined,
  );
  const { exit, stderr } = await run(on, "instance exec web1 -- true");
  expect(exit).toBe(1);
  expect(stderr).toMatch(/^estrato: instance web1: exec: [\x20-\x7e]*\n$/);
});

test("completion offers the instances that run, and no others", async () => {
  const on = await estate();
  const { stdout } = await run(on, "__complete instance exec ");
  expect(stdout).toBe("legacy\trunning\nweb1\trunning\n");
});
