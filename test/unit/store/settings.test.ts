import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSettings, type SettingsOptions } from "../../../src/store/settings.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "estrato-settings-"));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function settings(options: Partial<SettingsOptions> = {}) {
  return openSettings({
    uid: 1000,
    systemFolder: join(root, "etc"),
    ...options,
    env: { XDG_CONFIG_HOME: join(root, "config"), ...options.env },
  });
}

function writeUserFile(text: string): void {
  mkdirSync(join(root, "config", "estrato"), { recursive: true });
  writeFileSync(join(root, "config", "estrato", "config.json"), text);
}

describe("settings", () => {
  it("leave no signal handlers behind when they are written: a Ctrl-C counts once", async () => {
    const before = process.listenerCount("SIGINT");
    await settings().set("network", "mine", "user");
    expect(process.listenerCount("SIGINT")).toBe(before);
    expect(process.listenerCount("SIGTERM")).toBe(0);
  });

  it("are replaced as a whole even where the environment says SNAP, on which conf writes in place", async () => {
    const file = join(root, "config", "estrato", "config.json");
    process.env.SNAP = "/snap/x";
    try {
      await settings().set("network", "mine", "user");
      const { ino } = statSync(file);
      await settings().set("network", "other", "user");
      expect(statSync(file).ino).not.toBe(ino);
    } finally {
      delete process.env.SNAP;
    }
  });

  it("have defaults, and reading them makes no file", () => {
    const values = Object.fromEntries(
      settings()
        .list()
        .map((one) => [one.key, one.value]),
    );
    expect(values).toEqual({
      connect: "qemu:///session",
      network: "user",
      backup_target: null,
      flavor: "small",
      rotation: null,
      backup_type: "manual",
      quiesce: "try",
      image_stores: null,
      language: "en",
      revert_keep: "24h",
      host_timeout: "30",
      color: "auto",
      format: "table",
    });
    expect(() => statSync(join(root, "config"))).toThrow("ENOENT");
    expect(settings({ uid: 0 }).get("connect").value).toBe("qemu:///system");
    expect(settings({ uid: 0 }).get("network").value).toBe("default");
  });

  it("hold as flag over environment over user over system over default", async () => {
    const origin = (options: Partial<SettingsOptions> = {}) => settings(options).get("network");
    expect(origin()).toMatchObject({ value: "user", origin: "default", source: null });
    await settings().set("network", "sys", "system");
    expect(origin()).toMatchObject({ value: "sys", origin: "system", source: join(root, "etc/config.json") });
    await settings().set("network", "mine", "user");
    expect(origin()).toMatchObject({ value: "mine", origin: "user" });
    const env = { ESTRATO_NETWORK: "env" };
    expect(origin({ env })).toMatchObject({ value: "env", origin: "environment", source: "ESTRATO_NETWORK" });
    expect(origin({ env, flags: { network: "flag" } })).toMatchObject({ value: "flag", origin: "flag" });
    expect(origin({ env: { ESTRATO_NETWORK: "" } })).toMatchObject({ origin: "user" });
  });

  it("take the connection from ESTRATO_CONNECT before LIBVIRT_DEFAULT_URI", () => {
    const env = { LIBVIRT_DEFAULT_URI: "test:///default" };
    expect(settings({ env }).get("connect").value).toBe("test:///default");
    expect(settings({ env: { ...env, ESTRATO_CONNECT: "qemu:///x" } }).get("connect").value).toBe("qemu:///x");
  });

  it("go to the system's file for root, readable by all, and to one's own for others", async () => {
    await settings({ uid: 0 }).set("format", "json");
    expect(JSON.parse(readFileSync(join(root, "etc/config.json"), "utf8"))).toEqual({ format: "json" });
    expect(statSync(join(root, "etc/config.json")).mode & 0o777).toBe(0o644);
    await settings().set("format", "csv");
    expect(statSync(join(root, "config/estrato/config.json")).mode & 0o777).toBe(0o600);
  });

  it("are forgotten by unset, as often as you like", async () => {
    const mine = settings();
    await mine.set("color", "never");
    expect(mine.get("color").value).toBe("never");
    await mine.unset("color");
    await mine.unset("color");
    expect(mine.get("color")).toMatchObject({ value: "auto", origin: "default" });
  });

  it("are both set when two set at once", async () => {
    await Promise.all([
      settings().set("color", "never"),
      settings().set("format", "json"),
      settings().set("network", "n"),
    ]);
    expect(
      settings()
        .list()
        .filter((one) => one.origin === "user")
        .map((one) => one.key),
    ).toEqual(["network", "color", "format"]);
  });

  it("refuse an unknown key with the one that may be meant, or the list of the known ones", async () => {
    const refusal = { code: "usage", hint: expect.stringContaining("connect, network, backup_target") };
    expect(() => settings().get("unlike")).toThrow(expect.objectContaining(refusal));
    await expect(settings().set("constructor", "x")).rejects.toMatchObject(refusal);
    const near = { code: "usage", hint: "Did you mean color?" };
    await expect(settings().unset("colour")).rejects.toMatchObject(near);
  });

  it.each([
    ["connect", "local"],
    ["network", ""],
    ["network", "../x"],
    ["backup_target", "backups"],
    ["revert_keep", "1 day"],
    ["revert_keep", "999999999w"], // no date is so far away
    ["color", "yes"],
    ["format", "xml"],
  ])("refuse %s = %j wherever it comes from", async (key, value) => {
    await expect(settings().set(key, value)).rejects.toMatchObject({ code: "usage" });
    expect(() => settings({ flags: { [key]: value } }).get(key)).toThrow(expect.objectContaining({ code: "usage" }));
    writeUserFile(JSON.stringify({ [key]: value }));
    expect(() => settings().get(key)).toThrow(expect.objectContaining({ code: "host" }));
  });

  it.each(["", "{", "[]", "null", '"x"'])(
    "say in one line that a file holding %j is damaged, and leave it alone",
    async (text) => {
      writeUserFile(text);
      const damage = { code: "host", message: expect.stringContaining("config.json: damaged settings") };
      expect(() => settings().get("color")).toThrow(expect.objectContaining(damage));
      await expect(settings().set("color", "never")).rejects.toMatchObject(damage);
      expect(readFileSync(join(root, "config/estrato/config.json"), "utf8")).toBe(text);
    },
  );

  it("let an unknown key in a file be removed without an editor", async () => {
    writeUserFile('{"colour":"never","color":"never"}');
    expect(() => settings().list()).toThrow(
      expect.objectContaining({ code: "host", hint: expect.stringContaining("config unset colour") }),
    );
    await settings().unset("colour");
    expect(settings().get("color").value).toBe("never");
  });
});
