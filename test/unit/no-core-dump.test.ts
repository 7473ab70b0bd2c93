import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readPassphrase } from "../../src/host/secrets.ts";

const limits = () => readFileSync("/proc/self/limits", "utf8");
const softOf = (text: string) => /^Max core file size +(\S+)/m.exec(text)?.[1];
const hard = /^Max core file size +\S+ +(\S+)/m.exec(limits())?.[1] ?? "";

test("who has read a passphrase leaves no core dump, nor do the children that come after", async () => {
  const folder = mkdtempSync(join(tmpdir(), "estrato-core-"));
  const file = join(folder, "passphrase");
  writeFileSync(file, "open sesame\n");
  execFileSync("prlimit", ["--pid", String(process.pid), `--core=${hard}:`]);
  try {
    await readPassphrase(file);
    expect(softOf(limits())).toBe("1");
    expect(softOf(execFileSync("cat", ["/proc/self/limits"], { encoding: "utf8" }))).toBe("1");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
