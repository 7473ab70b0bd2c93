import { spawnSync } from "node:child_process";

/**
 * Runs a program that is no part of every machine, as mandoc or zsh. Null where it is not there, but on CI, whose
 * set-up installs all of them (test/one): there that throws.
 */
export function runIfThere(program: string, args: readonly string[], input = "", cwd = "."): string | null {
  const { error, stdout, stderr } = spawnSync(program, args, { input, cwd, encoding: "utf8" });
  if (error === undefined) return stdout + stderr;
  if (process.env.CI === "true") throw error;
  return null;
}
