/** The program as a process: the launcher, signals, pipes that close, disks that are full. */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../wait.ts";
import { changesBelow } from "../store/strace.ts";
import { openScreen } from "../terminal/screen.ts";

const folder = mkdtempSync(join(tmpdir(), "estrato-process-"));
const program = join(folder, "bin/estrato");
const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
const env = { PATH: process.env.PATH, HOME: folder, XDG_CONFIG_HOME: folder, ESTRATO_HOME: join(folder, "home") };

beforeAll(() => {
  cpSync("bin", join(folder, "bin"), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const built = spawnSync(process.execPath, ["build.mjs", join(folder, "dist")], { encoding: "utf8" });
  expect(built.stderr).toBe("");
  const made = run(["flavor", "create", "own", "--vcpus", "1", "--ram", "1G", "--disk", "1G"]);
  expect(made).toMatchObject({ status: 0, stderr: "" });
});

afterAll(() => rmSync(folder, { recursive: true }));

function run(words: readonly string[], more: Record<string, string> = {}) {
  return spawnSync(program, words, { env: { ...env, ...more }, encoding: "utf8" });
}

test("the launcher runs the built program and passes its exit code on", () => {
  expect(run(["--version"])).toMatchObject({ status: 0, stdout: `estrato ${version}\n`, stderr: "" });
  expect(run(["flavor", "show", "nix"])).toMatchObject({ status: 4, stdout: "" });
});

/** Where each packed module's text and compiled code are: start and length of the one, and of the other. */
type Places = Record<string, [number, number, number, number]>;

test("V8 takes the compiled code of every module as it is", () => {
  const refused = spawnSync(
    process.execPath,
    ["--input-type=commonjs", "--eval", REFUSED, join(folder, "dist/program.json"), join(folder, "dist/program.pack")],
    { encoding: "utf8", env },
  );
  expect(refused).toMatchObject({ stderr: "", stdout: "[]" });
});
const REFUSED = `
const { readFileSync } = require("node:fs");
const [places, pack] = [JSON.parse(readFileSync(process.argv[1], "utf8")), readFileSync(process.argv[2])];
const refused = Object.entries(places).filter(([, [start, length, codeStart, codeLength]]) => {
  const cachedData = pack.subarray(codeStart, codeStart + codeLength);
  const script = new (require("node:vm").Script)(pack.latin1Slice(start, start + length), { cachedData });
  return script.cachedDataRejected !== false;
});
process.stdout.write(JSON.stringify(refused.map(([name]) => name)));
`;

test("compiled code of another V8 is made anew", () => {
  const other = mkdtempSync(join(tmpdir(), "estrato-other-"));
  cpSync(folder, other, { recursive: true });
  const pack = readFileSync(join(other, "dist/program.pack"));
  const places = JSON.parse(readFileSync(join(other, "dist/program.json"), "utf8")) as Places;
  for (const [, , start, length] of Object.values(places)) pack.fill(0, start, start + length);
  writeFileSync(join(other, "dist/program.pack"), pack);
  const words = ["flavor", "list", "-f", "value", "-c", "name"];
  const ran = spawnSync(join(other, "bin/estrato"), words, { env, encoding: "utf8" });
  rmSync(other, { recursive: true });
  expect(ran).toMatchObject({ stderr: "", status: 0 });
  expect(ran.stdout).toContain("own\n");
});

test("what the bundle stores is on the disk, its content before its name", () => {
  const home = join(folder, "durable");
  const words = ["flavor", "create", "one", "--vcpus", "1", "--ram", "1G", "--disk", "1G"];
  const changes = changesBelow(home, [program, ...words], { ...env, ESTRATO_HOME: home });
  expect(changes.filter(({ path }) => path === "state.json")).toEqual([
    { path: "state.json", kind: "replaced", content: true, name: true },
  ]);
});

test("every format works in the bundle", () => {
  for (const format of ["table", "json", "yaml", "csv", "value"]) {
    const { status, stdout, stderr } = run(["flavor", "list", "-f", format, "-c", "name"]);
    expect({ status, stderr }, format).toEqual({ status: 0, stderr: "" });
    expect(stdout, format).toContain("tiny");
  }
  expect(run(["flavor", "list", "--query", "[0].name"]).stdout).toBe('"tiny"\n');
});

test("--color always colours, and NO_COLOR does not stop who asks for it", () => {
  const { stdout } = run(["flavor", "list", "-f", "table", "--color", "always"], { NO_COLOR: "1" });
  expect(stdout).toContain("\u001b[1mNAME");
  expect(run(["flavor", "list", "-f", "table"]).stdout).not.toContain("\u001b");
});

test("a pipe that nobody reads is no error", () => {
  const { stdout, stderr } = spawnSync("bash", ["-c", `${program} flavor list | true; echo "\${PIPESTATUS[0]}"`], {
    env,
    encoding: "utf8",
  });
  expect({ stdout, stderr }).toEqual({ stdout: "0\n", stderr: "" });
});

test("a result that cannot be written is a failure", () => {
  const { status, stderr } = spawnSync("bash", ["-c", `${program} flavor list > /dev/full`], { env, encoding: "utf8" });
  expect(stderr).toBe("estrato: standard output: cannot be written: ENOSPC. Free some space.\n");
  expect(status).toBe(1);
});

/** Starts a verb that waits for its standard input, sends the signals once it does, and says how it ended. */
async function signalled(...signals: NodeJS.Signals[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(program, ["keypair", "import", "k", "--file", "-"], { env });
  let stderr = "";
  child.stderr.on("data", (text: Buffer) => {
    stderr += text.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  child.stdin.on("error", () => {});
  // More than a pipe holds: it is all taken up when somebody reads.
  await new Promise((resolve) => child.stdin.write("x".repeat(900_000), resolve));
  for (const signal of signals) child.kill(signal);
  const code = await ended;
  return { code, stderr };
}

test("Ctrl-C ends what can be ended with 130", async () => {
  const { code, stderr } = await signalled("SIGINT");
  expect(stderr).toContain("estrato: interrupted: nothing has changed.\n");
  expect(code).toBe(130);
});

test.each(["C-c", "C-d"] as const)(
  "%s at a question ends it with 130, and what stands behind && is not done",
  async (key) => {
    const screen = await openScreen(80, { ...env, PATH: process.env.PATH ?? "" });
    try {
      screen.begin(`${program} flavor create && echo goes on; echo "code $?"`);
      await screen.shows("Name of the new flavor");
      screen.press(key);
      await screen.done();
      expect(screen.text()).toMatch(/^code 130$/m);
      expect(screen.text()).not.toMatch(/^goes on$/m);
    } finally {
      screen.close();
    }
  },
);

test("SIGTERM ends it with 143", async () => {
  expect((await signalled("SIGTERM")).code).toBe(143);
});

/** A libvirt that does not answer, as `virsh` on PATH; each of them is named in `pids`. */
function hangingVirsh(): Record<string, string> {
  const path = mkdtempSync(join(folder, "bin-"));
  writeFileSync(join(path, "virsh"), `#!/bin/sh\ntrap "" TERM\necho $$ >> ${path}/pids\nsleep 600 & wait; wait\n`, {
    mode: 0o755,
  });
  return { PATH: `${path}:${process.env.PATH}`, PIDS: join(path, "pids") };
}

function livingOf(pids: string): number[] {
  const all = existsSync(pids) ? readFileSync(pids, "utf8").trim().split("\n").map(Number) : [];
  return all.filter(
    (pid) => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8")),
  );
}

const ASKING = [["instance", "list"], ["doctor"], ["instance", "create", "web1", "--image", "none"]];

test.each(ASKING)("a libvirt that does not answer is told with 7 (%s %s)", (...words) => {
  const more = hangingVirsh();
  const { status, stderr } = run(words, { ...more, ESTRATO_HOST_TIMEOUT: "1" });
  if (words[1] === "create") expect(status).not.toBe(0);
  else
    expect({ status, stderr }).toEqual({ status: 7, stderr: expect.stringMatching(/^estrato: virsh \w+: no answer/) });
  expect(livingOf(more.PIDS as string)).toEqual([]);
});

test("one SIGTERM ends a command that waits for libvirt, and its children with it", async () => {
  const more = hangingVirsh();
  const child = spawn(program, ["instance", "list"], { env: { ...env, ...more } });
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  await until("it waits", async () => livingOf(more.PIDS as string).length > 0);
  child.kill("SIGTERM");
  expect(await ended).toBe(143);
  expect(livingOf(more.PIDS as string)).toEqual([]);
});

test("an unexpected error is one line, and --trace shows where it came from", () => {
  const damaged = { ESTRATO_HOME: "/dev/null/x" };
  const { status, stderr } = run(["flavor", "create", "db", "--ram", "1G", "--disk", "1G"], damaged);
  expect(stderr).toMatch(/^estrato: [^\n]+\n$/);
  expect(status).not.toBe(0);
  const traced = run(["flavor", "create", "db", "--ram", "1G", "--disk", "1G", "--trace"], damaged);
  expect(traced.stderr).toContain("\n    at ");
});

test("a program that is not built says so", () => {
  const bare = mkdtempSync(join(tmpdir(), "estrato-bare-"));
  cpSync("bin", join(bare, "bin"), { recursive: true });
  writeFileSync(join(bare, "package.json"), '{"type":"module"}');
  const { status, stderr } = spawnSync(join(bare, "bin/estrato"), { env, encoding: "utf8" });
  rmSync(bare, { recursive: true });
  expect(stderr).toBe("estrato: the program is not built. Run: npm ci && npm run build\n");
  expect(status).toBe(6);
});
