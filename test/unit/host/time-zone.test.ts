import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { timeZone } from "../../../src/host/time-zone.ts";

function etc(): string {
  const folder = mkdtempSync(join(tmpdir(), "estrato-etc-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("the zone of the machine is what /etc/localtime leads to, else what /etc/timezone says, whatever TZ is", async () => {
  const folder = etc();
  expect(await timeZone(folder)).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone);
  writeFileSync(join(folder, "timezone"), "Pacific/Auckland\n");
  expect(await timeZone(folder)).toBe("Pacific/Auckland");
  writeFileSync(join(folder, "localtime"), "TZif");
  expect(await timeZone(folder)).toBe("Pacific/Auckland");
  const file = join(folder, "zoneinfo/posix/Asia/Kathmandu");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, "TZif");
  rmSync(join(folder, "localtime"));
  symlinkSync(file, join(folder, "localtime"));
  expect(await timeZone(folder)).toBe("Asia/Kathmandu");
});

test("a zone that this program does not know is passed over", async () => {
  const folder = etc();
  writeFileSync(join(folder, "timezone"), "Nowhere/At-All\n");
  expect(await timeZone(folder)).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone);
});
