import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { estate, run } from "./estate.ts";
import { type LineResult, runLine } from "./line.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "estrato-config-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function config(...words: string[]): Promise<LineResult> {
  return runLine(["config", ...words], { env: { XDG_CONFIG_HOME: folder } });
}

test("what is set is got, listed with its origin, and forgotten again", async () => {
  const note = "/srv/backup: there is no such folder yet; backups are refused until there is one.\n";
  expect(await config("set", "backup_target", "/srv/backup")).toEqual({ exit: 0, stdout: "", stderr: note });
  expect((await config("get", "backup_target")).stdout).toBe("/srv/backup\n");
  const row = JSON.parse((await config("list", "-f", "json", "--filter", "key=backup_target")).stdout)[0];
  expect(row).toEqual({
    key: "backup_target",
    value: "/srv/backup",
    origin: "user",
    source: join(folder, "estrato/config.json"),
  });
  await config("unset", "backup_target");
  expect((await config("get", "backup_target")).stdout).toBe("");
});

test("a value that it cannot have is refused, also by a dry run, which writes nothing", async () => {
  expect((await config("set", "backup_target", "here")).exit).toBe(2);
  expect((await config("set", "backup_target", "here", "-n")).exit).toBe(2);
  expect((await config("set", "nix", "1", "-n")).exit).toBe(2);
  expect((await config("set", "backup_target", "/srv", "-n")).stdout).toBe("1. Set backup_target to /srv\n");
  expect((await config("get", "backup_target")).stdout).toBe("");
  expect((await config("set", "color", "never", "--user", "--system")).exit).toBe(2);
});

test("a backup target that is there is set without a word", async () => {
  expect(await config("set", "backup_target", folder)).toEqual({ exit: 0, stdout: "", stderr: "" });
});

test("defaults of snapshots, backups and instances are settings", async () => {
  const on = await estate();
  const env = { ESTRATO_QUIESCE: "off", ESTRATO_ROTATION: "3", ESTRATO_BACKUP_TYPE: "weekly", ESTRATO_FLAVOR: "tiny" };
  const one = async (line: string) => JSON.parse((await run(on, `${line} -f json`, { env })).stdout);
  expect(await one("snapshot create web1 x")).toMatchObject({ consistency: "crash" });
  expect(await one("snapshot create web1 y --quiesce require")).toMatchObject({ consistency: "filesystem" });
  expect(await one("backup create web1 --target /backups")).toMatchObject({ type: "weekly", consistency: "crash" });
  expect(await one("instance create web8 --image debian12")).toMatchObject({ flavor: "tiny" });
  expect(await one("instance create web9 --image debian12 --vcpus 2")).toMatchObject({ flavor: null, vcpus: 2 });
  const memory = { ...env, ESTRATO_QUIESCE: "require" };
  expect(await run(on, "snapshot create web1 z --memory", { env: memory })).toMatchObject({ exit: 0 });
});

/** Each as the user's own and as the system's: a line that does without the option, and what its answer then holds. */
const DEFAULTS = [
  ["flavor", "tiny", "instance create web8 --image debian12 --no-start", { flavor: "tiny" }],
  ["network", "none", "instance create web8 --image debian12 --no-start", { networks: [] }],
  ["rotation", "1", "backup create web2 --target /backups", { instance: "web2" }],
  ["backup_type", "weekly", "backup create web2 --rotation 2 --target /backups", { type: "weekly" }],
  ["backup_target", "/backups", "backup create web2 --rotation 2", { target: "/backups" }],
  ["quiesce", "off", "snapshot create web1 x", { consistency: "crash" }],
  ["format", "json", "flavor show tiny", { name: "tiny" }],
] as const;

test.each(DEFAULTS)("the default %s is one's own or the system's", async (key, value, line, holds) => {
  for (const scope of ["user", "system"]) {
    const on = await estate();
    const how = {
      env: { XDG_CONFIG_HOME: join(folder, scope), ESTRATO_NETWORK: undefined },
      systemFolder: join(folder, scope, "etc"),
    };
    const options = key === "format" ? "" : " -f json";
    const before = await run(on, `${line}${options}`, how);
    if (before.exit === 0 && key !== "format") expect(JSON.parse(before.stdout), scope).not.toMatchObject(holds);
    else if (key === "format") expect(before.stdout, scope).not.toContain("{");
    else expect(before.exit, scope).toBe(2);
    expect(await run(on, `config set ${key} ${value} --${scope}`, how), scope).toMatchObject({ exit: 0 });
    expect(JSON.parse((await run(on, `config get ${key} -f json`, how)).stdout)).toMatchObject({
      value,
      origin: scope,
    });
    const after = await run(await estate(), `${line}${options}`, how);
    expect(JSON.parse(after.stdout), `${scope}: ${after.stderr}`).toMatchObject(holds);
  }
});

test("guides come in the language of the setting, else in that of the environment", async () => {
  const begins = async (line: string, env: Record<string, string> = {}) =>
    (await runLine(line.split(" "), { env: { XDG_CONFIG_HOME: folder, ...env } })).stdout.slice(0, 33);
  const [english, spanish] = ["estrato-tutorial(7): from a disk ", "estrato-tutorial(7): de una image"];
  expect(await begins("help tutorial")).toBe(english);
  expect(await begins("help tutorial", { LC_MESSAGES: "es_MX.UTF-8", LANG: "C" })).toBe(spanish);
  expect(await begins("help tutorial", { LANG: "fr_FR.UTF-8" })).toBe(english);
  expect(await config("set", "language", "es")).toMatchObject({ exit: 0 });
  expect(await begins("help tutorial")).toBe(spanish);
  expect(await begins("tutorial --help")).toBe(spanish);
  expect(await begins("help tutorial", { LANG: "en_GB.UTF-8" })).toBe(spanish);
  expect(await begins("help tutorial", { ESTRATO_LANGUAGE: "en" })).toBe(english);
  expect(await begins("help users")).toMatch(/^estrato-users\(7\): who/); // there is none in Spanish
  writeFileSync(join(folder, "estrato/config.json"), "{");
  expect(await begins("help tutorial", { LANG: "es" })).toBe(spanish);
});

test("a language that there is not is refused, and so is a value that was mistyped, with the one that is meant", async () => {
  const refused = { exit: 2, stdout: "" };
  const takes = "one of en, es";
  expect(await config("set", "language", "xx")).toEqual({
    ...refused,
    stderr: `estrato: language "xx": not ${takes}. Give ${takes}.\n`,
  });
  expect(await config("set", "language", "ess")).toMatchObject({
    ...refused,
    stderr: `estrato: language "ess": not ${takes}. Did you mean es?\n`,
  });
  expect(await config("set", "quiesce", "requir")).toMatchObject({
    ...refused,
    stderr: expect.stringMatching(/ Did you mean require\?\n$/),
  });
});

test("a dry run refuses to forget what is no setting, too", async () => {
  const refused = await config("unset", "nix");
  expect(refused).toMatchObject({ exit: 2, stdout: "" });
  expect(await config("unset", "nix", "-n")).toEqual(refused);
  expect(await config("unset", "color", "-n")).toMatchObject({ exit: 0, stdout: "1. Forget color\n" });
});

test("the line that mends a file of settings names the file, where it is not the usual one of who calls", async () => {
  const system = join(folder, "etc");
  mkdirSync(system);
  const at = { systemFolder: system, env: { XDG_CONFIG_HOME: join(folder, "own") } };
  const told = async (uid: number) => (await runLine(["flavor", "list"], { ...at, uid })).stderr;
  writeFileSync(join(system, "config.json"), '{"nix":"1"}');
  expect(await told(1000)).toContain("`estrato config unset nix --system`");
  expect(await told(0)).toContain("`estrato config unset nix`");
  expect(await runLine(["config", "unset", "nix", "--system"], at)).toMatchObject({ exit: 0, stderr: "" });
  expect(await told(1000)).toBe("");
  await runLine(["config", "set", "format", "json", "--user"], { ...at, uid: 0 });
  writeFileSync(join(folder, "own/estrato/config.json"), '{"format":"jsno"}');
  expect(await told(0)).toContain("`estrato config set format VALUE --user`");
  expect(await told(1000)).toContain("`estrato config set format VALUE`");
});

test("the paths are printed", async () => {
  const { stdout } = await config("path", "-f", "value", "-c", "path", "--filter", "scope=user");
  expect(stdout).toBe(`${join(folder, "estrato/config.json")}\n`);
});

test("the settings' format and colour hold for every command", async () => {
  await config("set", "format", "json");
  const at = { env: { XDG_CONFIG_HOME: folder } };
  const { stderr } = await runLine(["flavor", "show", "nix"], at);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: "not_found", exit: 4 } });
  expect((await runLine(["flavor", "show", "nix", "-f", "table"], at)).stderr).toMatch(/^estrato: /);
  expect((await runLine(["flavr"], at)).stderr).toMatch(/^\{"error"/);
  const list = await runLine(["flavor", "list", "--limit", "0"], { env: { XDG_CONFIG_HOME: folder } });
  expect(list.stdout).toBe("[]\n");
});

test("a colour that is none is refused before anything is done", async () => {
  const on = await estate();
  const { exit, stderr } = await run(on, "flavor create one --ram 1G --disk 1G", { env: { ESTRATO_COLOR: "blue" } });
  expect({ exit, stderr }).toEqual({ exit: 2, stderr: expect.stringContaining('ESTRATO_COLOR "blue": not one of') });
  expect((await run(on, "flavor list -f value -c name")).stdout).not.toContain("one");
});

test("the setting format is what -f is: for what is printed on request, and for a calendar", async () => {
  const on = await estate();
  const env = { ESTRATO_FORMAT: "json" };
  expect(JSON.parse((await run(on, "instance start web1", { env })).stdout)).toMatchObject({ name: "web1" });
  expect(JSON.parse((await run(on, "backup list --calendar", { env })).stdout)).toHaveLength(3);
  expect((await run(on, "instance start web1 -f table", { env })).stdout).toContain("name");
});

test("an error is an object wherever -f json stands among other letters", async () => {
  for (const words of [["-qf", "json"], ["-qfjson"], ["-nyf", "json"], ["-fjson"]]) {
    const { stderr } = await runLine(["flavor", "show", "nix", ...words]);
    expect(stderr, words.join(" ")).toMatch(/^\{"error":/);
  }
  expect((await runLine(["flavor", "show", "nix", "-qf", "csv"])).stderr).toMatch(/^estrato: /);
});

test("a damaged file is named, and can be mended with config", async () => {
  mkdirSync(join(folder, "estrato"));
  writeFileSync(join(folder, "estrato/config.json"), '{"formatt":"json"}');
  const { exit, stderr } = await runLine(["flavor", "list"], { env: { XDG_CONFIG_HOME: folder } });
  expect(stderr).toContain('unknown setting "formatt"');
  expect(exit).toBe(6);
  expect((await config("unset", "formatt")).exit).toBe(0);
  expect(JSON.parse(readFileSync(join(folder, "estrato/config.json"), "utf8"))).toEqual({});
});
