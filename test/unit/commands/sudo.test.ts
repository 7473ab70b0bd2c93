import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { command, TARGET } from "../core/world.ts";
import { estate, run } from "./estate.ts";

const SUDO = { SUDO_UID: "1000", SUDO_USER: "eva" };

/** What `line` says on stderr in this environment. */
async function said(env: Record<string, string>, line = "volume list", uid = 0): Promise<string> {
  const on = await estate();
  await command(on).store.update((draft) => {
    draft.binding = null; // the estate is a user's: let it be nobody's yet
  });
  const { exit, stderr } = await run(on, line, { env, uid });
  expect(exit).toBe(0);
  return stderr;
}

describe("behind sudo", () => {
  test.each([
    [
      { ESTRATO_HOME: "/home/eva/st" },
      "volume list",
      "behind sudo: ESTRATO_HOME leads to the store /home/eva/st, not to root's own, /var/lib/estrato\n",
    ],
    [
      { ESTRATO_CONNECT: "qemu:///system" },
      "volume list",
      "behind sudo: ESTRATO_CONNECT leads to qemu:///system (connect)\n",
    ],
    [
      { LIBVIRT_DEFAULT_URI: "qemu:///system" },
      "volume list",
      "behind sudo: LIBVIRT_DEFAULT_URI leads to qemu:///system (connect)\n",
    ],
    [
      { ESTRATO_BACKUP_TARGET: TARGET },
      "backup list",
      `behind sudo: ESTRATO_BACKUP_TARGET leads to ${TARGET} (backup_target)\n`,
    ],
  ])("%j is kept, and said", async (env, line, note) => {
    expect(await said({ ...SUDO, ...env }, line)).toBe(note);
  });

  test("so is what the settings of another home say", async () => {
    const home = mkdtempSync(join(tmpdir(), "estrato-sudo-"));
    onTestFinished(() => rmSync(home, { recursive: true }));
    mkdirSync(join(home, "estrato"));
    const file = join(home, "estrato/config.json");
    writeFileSync(file, '{"connect":"qemu:///system"}');
    expect(await said({ ...SUDO, XDG_CONFIG_HOME: home })).toBe(
      `behind sudo: ${file}, which is not root's own, leads to qemu:///system (connect)\n`,
    );
    expect(await said({ XDG_CONFIG_HOME: home })).toBe("");
  });

  test("nothing is said of what moves nothing, of an option, or with -q", async () => {
    expect(await said(SUDO)).toBe("");
    expect(await said({ ...SUDO, ESTRATO_HOME: "/var/lib/estrato" })).toBe("");
    expect(await said({ ...SUDO, ESTRATO_HOME: "/x" }, "volume list --store /y")).toBe("");
    expect(await said({ ...SUDO, ESTRATO_CONNECT: "test:///x" }, "volume list --connect qemu:///system")).toBe("");
    expect(await said({ ...SUDO, ESTRATO_NETWORK: "lab", ESTRATO_FORMAT: "json" })).toBe("");
    expect(await said({ ...SUDO, ESTRATO_HOME: "/x" }, "-q volume list")).toBe("");
  });

  test("nor to who is not behind it: root's own shell, or a user with such a variable", async () => {
    expect(await said({ ESTRATO_HOME: "/x" })).toBe("");
    expect(await said({ SUDO_UID: "0", ESTRATO_HOME: "/x" })).toBe("");
    expect(await said({ ...SUDO, ESTRATO_HOME: "/x" }, "volume list", 1000)).toBe("");
  });
});
