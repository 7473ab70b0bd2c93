import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runIfThere } from "../programs.ts";

const folder = mkdtempSync(join(tmpdir(), "estrato-debs."));
const hasDpkg = existsSync("/usr/bin/dpkg-deb");
let file = "";

/** Debian 13's, which brings no Node: what the other one has besides is some 100 MB. */
beforeAll(() => {
  if (!hasDpkg) return;
  if (!existsSync("dist/program.pack")) execFileSync("npm", ["run", "-s", "build"]);
  file = execFileSync(process.execPath, ["packaging/deb.mjs", "--of", "13", "--version", "1.2.3", folder], {
    encoding: "utf8",
  }).trim();
});
afterAll(() => rmSync(folder, { recursive: true }));

function field(name: string): string {
  return execFileSync("dpkg-deb", ["--field", file, name], { encoding: "utf8" }).trim();
}

/** Path → "mode owner", or where a link leads. */
function contents(): Map<string, string> {
  const lines = execFileSync("dpkg-deb", ["--contents", file], { encoding: "utf8" }).trim().split("\n");
  return new Map(
    lines.map((line) => {
      const [mode = "", owner = "", , , , path = "", , to] = line.split(/\s+/);
      return [path.slice(1), to ?? `${mode} ${owner}`];
    }),
  );
}

test.skipIf(!hasDpkg)("the package depends on a Node that is new enough, and on what each verb calls", () => {
  expect(field("Version")).toBe("1.2.3");
  const needs = field("Depends").split(", ");
  expect(needs).toEqual(expect.arrayContaining(["nodejs (>= 20.19)", "libvirt-clients", "qemu-utils", "xorriso"]));
});

test.skipIf(!hasDpkg)("store and settings have their modes, and program, pages and completions their places", () => {
  const found = contents();
  expect(found.get("/var/lib/estrato/")).toBe("drwx--x--x root/root");
  expect(found.get("/etc/estrato/")).toBe("drwxr-xr-x root/root");
  expect(found.get("/usr/bin/estrato")).toBe("../lib/estrato/bin/estrato");
  expect(found.get("/usr/lib/estrato/node")).toBe("../../bin/node"); // the path in cron's lines that 12's package wrote
  for (const path of [
    "/usr/share/bash-completion/completions/estrato",
    "/usr/share/zsh/vendor-completions/_estrato",
    "/usr/share/fish/vendor_completions.d/estrato.fish",
    "/usr/share/doc/estrato/copyright",
  ])
    expect(found.get(path), path).toBe("-rw-r--r-- root/root");
  for (const page of readdirSync("man").filter((name) => /\.[157]$/.test(name))) {
    const [, name, language, section] = /^(.+?)(?:\.(es))?\.(\d)$/.exec(page) ?? [];
    const place = language === undefined ? "" : `${language}/`;
    expect(found.has(`/usr/share/man/${place}man${section}/${name}.${section}.gz`), page).toBe(true);
  }
  for (const file of readdirSync("schemas"))
    expect(found.get(`/usr/share/estrato/schemas/${file}`), file).toBe("-rw-r--r-- root/root");
  expect([...found.keys()].some((path) => path.includes("node_modules"))).toBe(false);
});

test.skipIf(!hasDpkg)("no script of the package runs estrato, which would bind the store to a machine", () => {
  const control = join(folder, "control");
  execFileSync("dpkg-deb", ["--control", file, control]);
  for (const script of ["config", "postinst", "postrm"]) {
    const text = readFileSync(join(control, script), "utf8");
    expect(text).not.toMatch(/^\s*(?:(?:if|then|do|exec|!|&&|\|\|)\s+)*(?:\/usr\/\S+\/)?estrato\b/m);
    expect(runIfThere("sh", ["-n"], text)).toBe("");
  }
});

test.skipIf(!hasDpkg)("lintian has nothing to say", () => {
  const said = runIfThere("lintian", ["--allow-root", "--fail-on", "error,warning", file]);
  if (said !== null) expect(said).toBe("");
});
