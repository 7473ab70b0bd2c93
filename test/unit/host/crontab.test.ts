/** Lines of a crontab: what cron and then sh make of them is what was meant, whatever a path or a name holds. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { cronLine, readCrontab, setCrontab, withLines } from "../../../src/host/crontab.ts";
import { createProcesses } from "../../../src/host/process.ts";

const MARK = "estrato:sch-00000000000000001";
const entry = (args: readonly string[], environment: Record<string, string> = {}) => ({
  when: "0 3 * * *",
  environment,
  command: { program: "/usr/bin/node", args },
  mark: MARK,
});

/** What cron hands to sh (crontab(5)): behind the times and the user, a bare % ends it, an escaped one is one. */
function shellText(line: string): string {
  const rest = line.replace(/^(?:\S+ ){5}(?:root )?/, "");
  const bare = rest.search(/(?<!\\)%/);
  return (bare < 0 ? rest : rest.slice(0, bare)).replaceAll("\\%", "%");
}

/** The words that a real sh makes of it. */
function words(line: string): string[] {
  const shown = shellText(line).replace("/usr/bin/node", "printf '%s\\0'");
  const { stdout, status } = spawnSync("/bin/sh", ["-c", shown], { encoding: "utf8", cwd: "/" });
  expect(status, line).toBe(0);
  return stdout.split("\0").slice(0, -1);
}

describe("a line", () => {
  it("says when, who in a system file, what, and whose it is", () => {
    expect(cronLine(false, entry(["/opt/estrato/bin/estrato", "schedule", "run"]))).toBe(
      `0 3 * * * /usr/bin/node /opt/estrato/bin/estrato schedule run # ${MARK}`,
    );
    expect(cronLine(true, entry(["x"]))).toBe(`0 3 * * * root /usr/bin/node x # ${MARK}`);
  });

  const hostile = [
    "/srv/back up",
    "/srv/50%",
    "/srv/%%\u00e4",
    "/srv/it's",
    '/srv/"quoted"',
    "/srv/$(touch /tmp/owned)`id`;rm -rf /|&",
    "/srv/#comment",
    "/srv/*?[a]~",
    "",
  ];
  it.each(hostile)("hands %j on as it is", (word) => {
    expect(words(cronLine(false, entry([word, "end"])))).toEqual([word, "end"]);
    expect(words(cronLine(true, entry([word, "end"], { XDG_RUNTIME_DIR: "/run" })))).toEqual([word, "end"]);
  });

  it("sets the environment, quoted too", () => {
    const line = cronLine(false, entry(["x"], { XDG_CONFIG_HOME: "/home/a b/$x%'" }));
    const shown = shellText(line).replace("/usr/bin/node x", "sh -c 'printf %s \"$XDG_CONFIG_HOME\"'");
    expect(spawnSync("/bin/sh", ["-c", shown], { encoding: "utf8" }).stdout).toBe("/home/a b/$x%'");
  });

  it.each([
    "/srv/a\nb",
    "/srv/a\\b",
    "/srv/a\u0000",
    "/srv/a\r",
    `/srv/${"x".repeat(1000)}`,
    `/srv/${"\u00e9".repeat(500)}`,
  ])("refuses %j: no line of cron can hold it", (word) => {
    expect(() => cronLine(false, entry([word]))).toThrow(expect.objectContaining({ code: "host" }));
  });
});

describe("a crontab with our lines in it", () => {
  const others = "# my own\nMAILTO=me\n\n*/5 * * * * backup 100\\% # estrato:sch-00000000000000002\n@daily true";

  it("keeps all others byte for byte, and takes ours out again", () => {
    const line = cronLine(false, entry(["x"]));
    const made = withLines(`${others}\n`, MARK, [line]);
    expect(made).toBe(`${others}\n${line}\n`);
    expect(withLines(made, MARK, [line])).toBe(made);
    expect(withLines(made, MARK, [])).toBe(`${others}\n`);
  });

  it("ends a last line that had no end, as crontab(1) wants it", () => {
    expect(withLines(others, MARK, ["0 3 * * * x # m"])).toBe(`${others}\n0 3 * * * x # m\n`);
  });

  it("begins with nothing, and is nothing at the end", () => {
    expect(withLines("", MARK, ["a"])).toBe("a\n");
    expect(withLines(`1 2 3 4 5 x # ${MARK}\n`, MARK, [])).toBe("");
  });

  it("keeps bytes of others that are not UTF-8, in a user's own and in a file of the system", async () => {
    const folder = mkdtempSync(join(tmpdir(), "estrato-cron-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "estrato");
    const program = `#!/bin/sh\nif [ "$1" = -l ]; then exec cat '${file}'; else exec cat >'${file}'; fi\n`;
    writeFileSync(join(folder, "crontab"), program, { mode: 0o755 });
    const processes = createProcesses({ env: { ...process.env, PATH: `${folder}:${process.env.PATH}` } });
    const theirs = Buffer.from("# caf\xe9\n0 3 * * * cp /home/jos\xe9/a /b\n", "latin1");
    const line = cronLine(false, entry(["/srv/caf\u00e9"]));
    for (const where of [null, file]) {
      const set = (lines: string[]) => setCrontab(processes, { do: "set-crontab", file: where, mark: MARK, lines }, []);
      writeFileSync(file, theirs);
      await set([line]);
      expect(readFileSync(file)).toEqual(Buffer.concat([theirs, Buffer.from(`${line}\n`)]));
      expect((await readCrontab(processes, 1000)).text.split("\n")).toContain(line);
      await set([]);
      expect(readFileSync(file)).toEqual(theirs);
    }
  });

  it("takes no line for ours that only names the mark somewhere", () => {
    const near = `0 0 * * * echo # ${MARK} not\n# ${MARK}x\n`;
    expect(withLines(near, MARK, [])).toBe(near);
  });
});
