import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { fakeStore } from "../../fake/store.ts";
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

test("what cannot be completed offers nothing, and is no error", async () => {
  expect(await runLine(["__complete", "nix", "nix", ""])).toEqual({ exit: 0, stdout: "", stderr: "" });
  expect(await completed()).toContain("flavor");
});

test("each script is one that its shell can read", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout, exit } = await runLine(["completion", shell]);
    expect(exit).toBe(0);
    const { error, status, stderr } = spawnSync(shell, ["-n"], { input: stdout, encoding: "utf8" });
    if (error === undefined) expect(`${status} ${stderr}`).toBe("0 ");
    expect(stdout).toContain("estrato __complete");
  }
});

test("bash completes with the script", async () => {
  const { stdout } = await runLine(["completion", "bash"]);
  const twin = `estrato() { printf 'json\\tx\\nmy name\\t\\n'; }\n${stdout}\n`;
  const script = `${twin}COMP_WORDS=(estrato flavor list -f j); COMP_CWORD=4; _estrato; printf '%s|' "\${COMPREPLY[@]}"`;
  expect(spawnSync("bash", ["-c", script], { encoding: "utf8" }).stdout).toBe("json|my\\ name|");
});
