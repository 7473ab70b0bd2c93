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

test("a damaged file is named, and can be mended with config", async () => {
  mkdirSync(join(folder, "estrato"));
  writeFileSync(join(folder, "estrato/config.json"), '{"formatt":"json"}');
  const { exit, stderr } = await runLine(["flavor", "list"], { env: { XDG_CONFIG_HOME: folder } });
  expect(stderr).toContain('unknown setting "formatt"');
  expect(exit).toBe(6);
  expect((await config("unset", "formatt")).exit).toBe(0);
  expect(JSON.parse(readFileSync(join(folder, "estrato/config.json"), "utf8"))).toEqual({});
});
