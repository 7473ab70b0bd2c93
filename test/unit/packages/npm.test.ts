import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "estrato-npm."));
const prefix = join(folder, "prefix");
const package_ = join(prefix, "lib/node_modules/estrato");

function npm(...words: string[]): string {
  return execFileSync("npm", [...words, "--cache", join(folder, "cache")], { encoding: "utf8", stdio: "pipe" });
}

/** From an archive and from nothing else: what it does not bring cannot be fetched. */
beforeAll(() => {
  if (!existsSync("dist/program.pack")) execFileSync("npm", ["run", "-s", "build"]);
  npm("pack", "--ignore-scripts", "--pack-destination", folder);
  const archive = readdirSync(folder).find((file) => file.endsWith(".tgz"));
  npm("install", "--global", "--offline", "--prefix", prefix, join(folder, archive ?? ""));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("npm installs one package, which runs and has nothing below it", () => {
  expect(readdirSync(join(prefix, "lib/node_modules"))).toEqual(["estrato"]);
  expect(existsSync(join(package_, "node_modules"))).toBe(false);
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  const run = (...words: string[]) =>
    execFileSync(join(prefix, "bin/estrato"), words, {
      encoding: "utf8",
      env: { HOME: folder, PATH: process.env.PATH },
    });
  expect(run("--version")).toBe(`estrato ${version}\n`);
  expect(run("config", "list", "-f", "json")).toContain("backup_target");
});

test("it has the program, its manual, its schemas and the licences of what is bundled, and no sources", () => {
  expect(readdirSync(package_).sort()).toEqual(
    ["CHANGELOG.md", "LICENSE", "README.md", "bin", "dist", "man", "package.json", "schemas"].sort(),
  );
  expect(readdirSync(join(package_, "schemas")).sort()).toEqual(readdirSync("schemas").sort());
  expect(readdirSync(join(package_, "dist")).sort()).toEqual(["THIRD-PARTY.txt", "program.json", "program.pack"]);
  expect(readFileSync(join(package_, "dist/THIRD-PARTY.txt"), "utf8")).toMatch(/^commander \d[\s\S]*MIT/m);
  expect(
    lstatSync(
      readdirSync(folder)
        .map((file) => join(folder, file))
        .find((file) => file.endsWith(".tgz")) ?? "",
    ).size,
  ).toBeLessThan(5 * 1024 ** 2);
});

test("its manual pages are where man(1) finds them", () => {
  for (const page of readdirSync("man").filter((file) => /\.[157]$/.test(file)))
    expect(existsSync(join(prefix, `share/man/man${page.at(-1)}/${page}`)), page).toBe(true);
});
