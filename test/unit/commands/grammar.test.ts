import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { GUIDES } from "../../../src/commands/framework/guides.ts";
import { catalogue } from "../../../src/program.ts";
import { fakeStore } from "../../fake/store.ts";
import { type LineResult, runLine } from "./line.ts";

async function line(text: string): Promise<LineResult> {
  return runLine(text.split(" "));
}

describe("options of every command", () => {
  test("may stand anywhere in the line", async () => {
    const wanted = "tiny\n";
    for (const text of [
      "flavor list -f value -c name --limit 1",
      "-f value flavor list -c name --limit 1",
      "flavor -f value --limit 1 list -c name",
      "--limit=1 --format=value flavor list --column=name",
      "flavor list --output value -c name --limit 1",
      "-qf value flavor list -c name --limit 1",
    ]) {
      expect((await line(text)).stdout, text).toBe(wanted);
    }
  });

  test("take a value that looks like an option", async () => {
    expect((await line("flavor list --filter name=--tiny -f json")).stdout).toBe("[]\n");
  });

  test("behind -- are words", async () => {
    const { exit, stderr } = await line("flavor show -- --help");
    expect(stderr).toBe('estrato: flavor --help: not found. See "estrato flavor list".\n');
    expect(exit).toBe(4);
  });
});

describe("a line that is wrong exits 2 with one line that says what to do", () => {
  const lines = {
    "flavr list": "estrato: flavr: no such command. Did you mean flavor?",
    "flavor lsit": "estrato: flavor lsit: no such verb. Did you mean list?",
    "flavor frobnicate": "estrato: flavor frobnicate: no such verb. It has: create, list, show, delete.",
    flavor: "estrato: flavor: a verb is missing. It has: create, list, show, delete.",
    "flavor list --fromat json": 'estrato: flavor list: unknown option "--fromat". Did you mean --format?',
    "flavor list --limit": 'estrato: flavor list: option "--limit" argument missing. See "estrato help flavor list".',
    "flavor list --limit x": 'estrato: --limit "x": not a whole number from 0 on. Write it as 0, 1, ….',
    "flavor list -f xml": 'estrato: --format "xml": unknown. Give one of table, json, yaml, csv, value.',
    "flavor list extra": 'estrato: flavor list: "extra" is one word too many. Usage: estrato flavor list [OPTION...].',
    "flavor show": "estrato: flavor show: FLAVOR is missing. Usage: estrato flavor show FLAVOR... [OPTION...].",
    "flavor create db --ram 1G": "estrato: flavor create: --disk is missing. Give --disk SIZE: size of the first disk.",
    "help flavr": "estrato: flavr: no such command. Did you mean flavor?",
    "flavor list --lock-timeout 5": 'estrato: --lock-timeout "5": not a duration. Write it as 90s, 30m, 12h, 7d or 2w.',
    "constructor list": 'estrato: constructor: no such command. See "estrato help".',
    "server list": 'estrato: server: no such command. Did you mean "estrato instance list"?',
    "vm ls": 'estrato: vm: no such command. Did you mean "estrato instance list"?',
    "instances ls": 'estrato: instances: no such command. Did you mean "estrato instance list"?',
    ls: 'estrato: ls: no such command. Did you mean "estrato instance list"?',
    "rm web1": 'estrato: rm: no such command. Did you mean "estrato instance delete web1"?',
    "start web1": 'estrato: start: no such command. Did you mean "estrato instance start web1"?',
    "create snapshot web1": 'estrato: create: no such command. Did you mean "estrato snapshot create web1"?',
    "describe-instances":
      'estrato: describe-instances: no such command. Did you mean "estrato instance show" or "estrato instance list"?',
    "snapshot-revert web1 before":
      'estrato: snapshot-revert: no such command. Did you mean "estrato snapshot revert web1 before"?',
    "destroy web1":
      'estrato: destroy: no such command. Did you mean "estrato instance stop --force web1" or "estrato instance delete web1"?',
    "server image create web1 golden":
      'estrato: server: no such command. Did you mean "estrato image create --from-instance web1 golden"?',
    "flavor rm tiny": 'estrato: flavor rm: no such verb. Did you mean "estrato flavor delete tiny"?',
    "snapshot web1 before": 'estrato: snapshot web1: no such verb. Did you mean "estrato snapshot create web1 before"?',
    "snapshot revert web1 before": 'estrato: snapshot revert: "before" is one word too many. Did you mean web1/before?',
    "--image debian12 instance create web1":
      "estrato: --image: it is no option of every command, and no verb stands before it. " +
      "Options of a verb stand behind it: estrato NOUN VERB --image.",
    "instance --image debian12 create web1":
      "estrato: --image: it is no option of every command, and no verb stands before it. " +
      "Options of a verb stand behind it: estrato NOUN VERB --image.",
    "--fromat json instance list":
      "estrato: --fromat: it is no option of every command, and no verb stands before it. Did you mean --format?",
    "--nosuch":
      "estrato: --nosuch: it is no option of every command, and no verb stands before it. " +
      "Options of a verb stand behind it: estrato NOUN VERB --nosuch.",
    "-x":
      "estrato: -x: it is no option of every command, and no verb stands before it. " +
      "Options of a verb stand behind it: estrato NOUN VERB -x.",
    "-q -- flavor list": 'estrato: flavor: no command stands before --. See "estrato help".',
    "flavor list -f jsn": 'estrato: --format "jsn": unknown. Did you mean json?',
    "flavor list -c nmae": 'estrato: column "nmae": there is none of that name. Did you mean name?',
    "flavor list --sort Nam": 'estrato: column "Nam": there is none of that name. Did you mean name?',
    "config get backup-targt": 'estrato: setting "backup-targt": unknown. Did you mean backup_target?',
    "wait instance web1 --for status=actve":
      'estrato: --for status="actve": no instance ever has that status. Did you mean active?',
    "flavor constructor": "estrato: flavor constructor: no such verb. It has: create, list, show, delete.",
  };
  for (const [text, said] of Object.entries(lines)) {
    test(text, async () => expect(await line(text)).toEqual({ exit: 2, stdout: "", stderr: `${said}\n` }));
  }
});

test("a thing that is not there: those that may have been meant", async () => {
  expect(await line("flavor show smal")).toMatchObject({
    exit: 4,
    stderr: "estrato: flavor smal: not found. Did you mean small?\n",
  });
  expect((await line("flavor show SMALL")).stderr).toContain("Did you mean small?");
});

test("a wrong column or query fails before anything is done", async () => {
  const store = fakeStore();
  for (const wrong of [
    ["-c", "nmae"],
    ["--query", "["],
    ["--sort", "nmae"],
  ]) {
    const words = ["flavor", "create", "db", "--ram", "1G", "--disk", "1G", ...wrong];
    expect((await runLine(words, { store })).exit).toBe(2);
  }
  expect(store.writes).toEqual([]);
});

test("with -f json an error is one object on stderr", async () => {
  const { exit, stdout, stderr } = await line("flavor show nix -f json");
  expect({ exit, stdout }).toEqual({ exit: 4, stdout: "" });
  expect(JSON.parse(stderr)).toEqual({
    error: {
      code: "not_found",
      message: "flavor nix: not found",
      hint: 'See "estrato flavor list".',
      command: "estrato flavor show nix -f json",
      exit: 4,
    },
  });
  for (const text of ["flavr -fjson", "flavor list --nix --format=json", "--output json flavor list extra"]) {
    expect(JSON.parse((await line(text)).stderr).error.exit, text).toBe(2);
  }
});

test("the format may come from the environment, and a bad one there is a usage error", async () => {
  const words = ["flavor", "list", "--limit", "0"];
  expect((await runLine(words, { env: { ESTRATO_FORMAT: "json" } })).stdout).toBe("[]\n");
  expect((await runLine(words, { env: { ESTRATO_FORMAT: "xml" } })).exit).toBe(2);
  expect((await runLine([...words, "-f", "csv"], { env: { ESTRATO_FORMAT: "json" } })).stdout).toContain("name,");
});

describe("help", () => {
  test("has every guide of the manual, by a word that is no noun", async () => {
    const guides = readdirSync("man").filter((file) => /^[\w-]+\.[57]\.md$/.test(file));
    for (const [name, { load }] of Object.entries(GUIDES)) {
      expect(catalogue).not.toHaveProperty(name);
      const first = (await load()).default.split("\n")[0] ?? "";
      const [, page, section] = /^# ([\w-]+)\((\d)\)/.exec(first) ?? [];
      expect(guides.splice(guides.indexOf(`${page}.${section}.md`), 1)).toEqual([`${page}.${section}.md`]);
      const { exit, stdout } = await runLine(["help", name], { terminal: true, env: { COLUMNS: "60" } });
      expect({ exit, begins: stdout.startsWith(`${page}(${section}): `) }).toEqual({ exit: 0, begins: true });
    }
    expect(guides).toEqual([]);
  });

  test("has guides in the language that the environment asks for", async () => {
    const begins = async (env: Record<string, string>) =>
      (await runLine(["help", "tutorial"], { env })).stdout.split("\n")[0];
    expect(await begins({ LANG: "es_ES.UTF-8" })).toMatch(/^estrato-tutorial\(7\): de una imagen/);
    expect(await begins({ LANG: "es_ES.UTF-8", LC_ALL: "C" })).toMatch(/^estrato-tutorial\(7\): from a disk image/);
    expect((await runLine(["help", "cron"], { env: { LC_MESSAGES: "es" } })).stdout).toMatch(
      /^estrato-cron\(7\): recipes/,
    );
  });

  test("alone at a terminal is the ten verbs that people use most, each of which there is", async () => {
    const { stdout } = await runLine([], { terminal: true });
    const lines = [...stdout.matchAll(/^ {2}(\w+) (\w+) {2,}/gm)];
    expect(lines).toHaveLength(10);
    for (const [, noun = "", verb = ""] of lines) expect((await runLine(["help", noun, verb])).exit).toBe(0);
  });

  test("of the program, a noun and a verb is the same by --help and by the verb help", async () => {
    for (const words of [[], ["flavor"], ["flavor", "create"]]) {
      const asked = await runLine([...words, "--help"]);
      expect(asked.exit).toBe(0);
      expect(asked.stdout).toMatch(/^USAGE\n {2}estrato /m);
      expect((await runLine(["help", ...words])).stdout).toBe(asked.stdout);
      expect((await runLine([...words, "-h"])).stdout).toBe(asked.stdout);
    }
  });

  test("is what a line without words prints", async () => {
    expect((await runLine([])).stdout).toBe((await runLine(["--help"])).stdout);
  });

  test("wins over whatever is wrong with the line", async () => {
    expect((await line("flavor create --ram x --help")).exit).toBe(0);
  });
});

test("--version prints the version", async () => {
  expect((await line("--version")).stdout).toMatch(/^estrato \S+\n$/);
});
