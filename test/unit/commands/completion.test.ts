import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeStore } from "../../fake/store.ts";
import { command, everything } from "../core/world.ts";
import { runIfThere } from "../programs.ts";
import { differences, estate } from "./estate.ts";
import { runLine } from "./line.ts";

async function completed(...words: string[]): Promise<string[]> {
  const { stdout } = await runLine(["__complete", ...words], { store: fakeStore() });
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split("\t")[0] ?? "");
}

test("nouns, verbs and options are completed", async () => {
  expect(await completed("fl")).toEqual(["flavor"]);
  expect(await completed("")).toContain("completion");
  expect(await completed("")).not.toContain("__complete");
  expect(await completed("flavor", "")).toEqual(["create", "list", "show", "delete"]);
  expect(await completed("help", "flavor", "cr")).toEqual(["create"]);
  expect(await completed("flavor", "create", "--r")).toEqual(["--ram"]);
  expect(await completed("--dry", "")).not.toEqual([]);
});

test("live names are completed, and not twice in one line", async () => {
  expect(await completed("flavor", "show", "")).toEqual(["tiny", "small", "medium", "large", "xlarge"]);
  expect(await completed("flavor", "delete", "tiny", "-y", "s")).toEqual(["small"]);
  expect(await completed("flavor", "delete", "tiny", "t")).toEqual([]);
});

test("values of options are completed, also behind =", async () => {
  expect(await completed("flavor", "list", "-f", "j")).toEqual(["json"]);
  expect(await completed("flavor", "list", "--format=j")).toEqual(["--format=json"]);
  expect(await completed("flavor", "list", "--format", "=", "j")).toEqual(["--format=json"]);
  expect(await completed("flavor", "list", "-c", "v")).toEqual(["vcpus"]);
  expect(await completed("keypair", "import", "k", "--file", "/et")).toEqual([":file"]);
  expect(await completed("flavor", "list", "--store", "")).toEqual([":folder"]);
});

test("what is on this host is completed: networks, owners, backups, values of settings and of filters", async () => {
  const on = await estate();
  const { host, store } = command(on);
  const here = async (...words: string[]) => {
    const { stdout } = await runLine(["__complete", ...words], { host, store, ids: on.ids, clock: on.clock });
    return stdout.split("\n").flatMap((line) => (line === "" ? [] : [line.split("\t")[0] ?? ""]));
  };
  expect(await here("instance", "create", "web9", "--network", "")).toEqual(["default", "user", "none"]);
  expect(await here("network", "show", "")).toEqual(["default"]);
  expect(await here("volume", "list", "--owner", "")).toEqual(["self", "all", "ana"]);
  expect(await here("snapshot", "list", "web1", "--owner", "a")).toEqual(["all", "ana"]);
  expect(await here("config", "set", "color", "")).toEqual(["auto", "always", "never"]);
  expect(await here("config", "set", "network", "d")).toEqual(["default"]);
  expect(await here("config", "set", "backup_target", "/m")).toEqual([":folder"]);
  expect(await here("config", "set", "language", "")).toEqual(["en", "es"]);
  expect(await here("config", "set", "flavor", "t")).toEqual(["tiny"]);
  expect(await here("config", "get", "back")).toEqual(["backup_target", "backup_type"]);
  expect(await here("usage", "volume", "da")).toEqual(["data2", "data1"]);
  expect(await here("usage", "backup", "web1/")).toEqual(["web1/nightly"]);
  expect(await here("wait", "snapshot", "web2/")).toEqual(["web2/first"]);
  expect(await here("wait", "instance", "web2", "--for", "ag")).toEqual(["agent"]);
  expect(await here("instance", "list", "--filter", "sta")).toEqual(["status="]);
  expect(await here("instance", "list", "--filter", "status=")).toEqual([
    "status=active",
    "status=shelved",
    "status=shutoff",
  ]);
  expect(await here("instance", "list", "--filter", "status", "=", "ac")).toEqual(["status=active"]);
  expect(await here("snapshot", "list", "web2", "--filter=name=f")).toEqual(["--filter=name=first"]);
  const backups = await here("backup", "show", "");
  expect(backups.filter((word) => word.startsWith("bak-"))).toHaveLength(3);
  expect(backups).toContain("web1/nightly");
  expect(await here("backup", "show", "--target", "/nowhere", "")).toEqual([]);
});

test("completing a line does nothing of what the line says: a filter's values are those of the noun's list", async () => {
  const on = await estate();
  const { host, store } = command(on);
  const before = everything(on);
  const filter = async (...words: string[]) => {
    const line = ["__complete", ...words, "--filter"];
    const at = { host, store, ids: on.ids, clock: on.clock };
    const stdout = [];
    for (const typed of ["sta", "status="]) stdout.push((await runLine([...line, typed], at)).stdout);
    return stdout.join("").replaceAll(/\t.*/g, "").split("\n").slice(0, -1);
  };
  const statuses = ["status=", "status=active", "status=shelved", "status=shutoff"];
  expect(await filter("instance", "stop", "--force", "web1")).toEqual(statuses);
  expect(await filter("instance", "delete", "-y", "web2")).toEqual(statuses);
  expect(await filter("instance", "rebuild", "-y")).toEqual(statuses);
  expect(await filter("snapshot", "delete", "web1/first")).toEqual(["status=", "status=available"]);
  expect(await filter("backup", "delete", "-y", "--target", "/backups")).toEqual(["status=", "status=available"]);
  expect(await filter("backup", "prune", "--rotation", "1")).toEqual([]);
  expect(await filter("snapshot", "revert", "web1/first")).toEqual(statuses);
  expect(await filter("doctor", "--repair")).toEqual([]);
  expect(differences(before, everything(on))).toEqual([]);
});

test("another word for a verb is completed once it is begun, and what stands behind it", async () => {
  expect(await completed("image", "")).not.toContain("deregister");
  expect(await completed("image", "de")).toEqual(["delete", "deregister"]);
  expect(await completed("image", "deregister", "--n")).toContain("--no-input");
});

test("what cannot be completed offers nothing, and is no error", async () => {
  expect(await runLine(["__complete", "nix", "nix", ""])).toEqual({ exit: 0, stdout: "", stderr: "" });
  expect(await completed()).toContain("flavor");
});

test("each script is one that its shell can read", async () => {
  const folder = mkdtempSync(join(tmpdir(), "estrato-completion."));
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout, exit } = await runLine(["completion", shell]);
    expect(exit).toBe(0);
    writeFileSync(join(folder, shell), stdout);
    const said = runIfThere(shell, ["-n", join(folder, shell)]);
    if (said !== null) expect(said, shell).toBe("");
    expect(stdout).toContain("estrato __complete");
  }
  rmSync(folder, { recursive: true });
});

test("bash asks for the words that are meant, and puts in place of the piece that it completes", async () => {
  const { stdout } = await runLine(["completion", "bash"]);
  const names = ["json", "my name", "status=active", "--filter=status=active", "qemu:///system", "a@b:c", 'it"s $1'];
  /** What bash puts in for what stands in the line, which it splits at blanks and at its COMP_WORDBREAKS. */
  const reply = (line: string, piece: string) => {
    const twin = `estrato() {
      local typed="\${!#}" name
      while IFS= read -r name; do [[ $name == "$typed"* ]] && printf '%s\\twhat it is\\n' "$name"; done <<< "$NAMES"
    }
    compopt() { :; }`;
    const at = `COMP_WORDS=(estrato "$PIECE") COMP_CWORD=1 COMP_LINE=$LINE COMP_POINT=\${#LINE}`;
    const asked = `COMP_WORDBREAKS=$' \\t\\n"\\'@><=;|&(:'; ${at}; _estrato; printf '%s|' "\${COMPREPLY[@]}"`;
    const env = { ...process.env, LC_ALL: "C.UTF-8", NAMES: names.join("\n"), LINE: `estrato ${line}`, PIECE: piece };
    return spawnSync("bash", ["-c", `${twin}\n${stdout}\n${asked}`], { encoding: "utf8", env }).stdout;
  };
  for (const [line, piece, becomes] of [
    ["flavor list -f j", "j", "json"],
    ["instance list --filter status=ac", "ac", "active"],
    ["instance list --filter status=", "=", "active"],
    ["instance list --filter=status=", "=", "active"],
    ["config set connect qemu:/", "/", "///system"],
    ["instance show a@b:", ":", "c"],
    ["instance show a@", "@", "@b:c"],
    ["instance show my\\ n", "my\\ n", "my\\ name"],
    ["instance show 'my n", "'my n", "my name"],
    ['instance show "it', '"it', 'it\\"s \\$1'],
    ["instance show it", "it", 'it\\"s\\ \\$1'],
  ] as const)
    expect(reply(line, piece), line).toBe(`${becomes}|`);
});
