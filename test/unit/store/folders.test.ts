import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resolveHome } from "../../../src/store/home.ts";
import { openStore } from "../../../src/store/index.ts";

let root: string;
let home: string;
let umask: number;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "estrato-folders-"));
  home = join(root, "a", "home");
  umask = process.umask();
});
afterEach(() => {
  process.umask(umask);
  rmSync(root, { recursive: true, force: true });
});

const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

function modes(): Record<string, string> {
  const folders = readdirSync(home).filter((name) => statSync(join(home, name)).isDirectory());
  return Object.fromEntries([".", ...folders.sort()].map((name) => [name, mode(join(home, name))]));
}

const SECRET = {
  "known-hosts": "700",
  journal: "700",
  locks: "700",
  memory: "700",
  nvram: "700",
  records: "700",
  things: "700",
  state: "700",
};

describe.each(["000", "022", "077"])("folders made under umask %s", (mask) => {
  it("let QEMU pass to layers, seeds and consoles in system mode, and to nothing else", async () => {
    process.umask(Number.parseInt(mask, 8));
    await openStore({ home, systemMode: true }).writeRecord("a.xml", "<a/>");
    expect(modes()).toEqual({ ".": "711", layers: "711", seeds: "711", consoles: "711", ...SECRET });
    expect(mode(join(home, "records", "a.xml"))).toBe("600");
  });

  it("are for their owner alone in session mode", async () => {
    process.umask(Number.parseInt(mask, 8));
    await openStore({ home, systemMode: false }).events.append({
      time: "2025-01-01T00:00:00.000Z",
      command: "c",
      operation: "o",
      target: null,
      result: "done",
      user: "u",
    });
    expect(modes()).toEqual({ ".": "700", layers: "700", seeds: "700", consoles: "700", ...SECRET });
    expect(mode(join(home, "events.jsonl"))).toBe("600");
  });
});

describe("a store in folders that were there before", () => {
  it("closes again what someone opened", async () => {
    await openStore({ home, systemMode: true }).writeRecord("a", "");
    chmodSync(join(home, "memory"), 0o755);
    await openStore({ home, systemMode: true }).writeRecord("a", "");
    expect(mode(join(home, "memory"))).toBe("700");
  });

  it("gets the right to pass that QEMU needs, and no more", async () => {
    mkdirSync(home, { recursive: true });
    chmodSync(home, 0o750);
    await openStore({ home, systemMode: true }).writeRecord("a", "");
    expect(mode(home)).toBe("751");
  });

  it("says in one line where a file stands in the way", async () => {
    mkdirSync(join(root, "a"));
    writeFileSync(home, "");
    const refusal = openStore({ home, systemMode: false }).writeRecord("a", "");
    await expect(refusal).rejects.toMatchObject({ code: "host", message: expect.not.stringContaining("\n") });
  });
});

describe("the home of the store", () => {
  it.each([
    [{ flag: "/f", env: { ESTRATO_HOME: "/e" }, uid: 0 }, "/f"],
    [{ env: { ESTRATO_HOME: "/e" }, uid: 0 }, "/e"],
    [{ flag: "rel", env: {}, uid: 0 }, join(process.cwd(), "rel")],
    [{ env: { XDG_DATA_HOME: "/x" }, uid: 0 }, "/var/lib/estrato"],
    [{ env: { XDG_DATA_HOME: "/x" }, uid: 1000 }, "/x/estrato"],
    [{ env: { XDG_DATA_HOME: "x", HOME: "/home/ana" }, uid: 1000 }, "/home/ana/.local/share/estrato"],
    [{ env: { ESTRATO_HOME: "", HOME: "/home/ana" }, uid: 1000 }, "/home/ana/.local/share/estrato"],
  ])("of %j is %s", (caller, expected) => {
    expect(resolveHome(caller)).toBe(expected);
  });
});
