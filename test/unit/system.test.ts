import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { callingUser, realClock, realIds, thisMachine } from "../../src/system.ts";
import { fakeClock, fakeIds } from "../fake/clock.ts";

describe.each([
  ["real", realIds],
  ["fake", fakeIds()],
])("%s ids", (_name, ids) => {
  it("are well-formed and never the same", () => {
    const made = Array.from({ length: 100 }, () => ids.next("snap"));
    expect(new Set(made).size).toBe(100);
    for (const id of made) expect(id).toMatch(/^snap-[0-9a-f]{17}$/);
    expect(ids.uuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(ids.uuid()).not.toBe(ids.uuid());
    expect(ids.mac()).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/);
    expect(ids.mac()).not.toBe(ids.mac());
  });
});

describe.each([
  ["real", realClock],
  ["fake", fakeClock()],
])("the %s clock", (_name, clock) => {
  it("goes on while it sleeps", async () => {
    const before = clock.now().getTime();
    await clock.sleep(5);
    expect(clock.now().getTime()).toBeGreaterThan(before);
  });

  it("stops sleeping when interrupted", async () => {
    await expect(clock.sleep(60_000, AbortSignal.abort())).rejects.toMatchObject({ code: "interrupted" });
  });
});

describe("the calling user", () => {
  const name = (): string => "ana";

  it("is the user of the process", () => {
    expect(callingUser({}, 1000, name)).toBe("ana");
    expect(callingUser({}, 0, () => "root")).toBe("root");
  });

  it("is, behind sudo, who called sudo", () => {
    expect(callingUser({ SUDO_USER: "eva" }, 0, name)).toBe("eva");
  });

  it("is not whom a variable names for anyone but root", () => {
    expect(callingUser({ SUDO_USER: "eva" }, 1000, name)).toBe("ana");
  });

  it("is a number where the user has no name", () => {
    const nameless = (): string => {
      throw new Error("no entry in passwd");
    };
    expect(callingUser({}, 1234, nameless)).toBe("1234");
  });
});

describe("this machine", () => {
  const ID = "3d1219c7c4c5404aaa1f6d2a48adfda4";

  it.each([
    [[`${ID}\n`], ID],
    [[null, `${ID}\n`], ID],
    [["", `${ID}\n`], ID],
    [["uninitialized\n"], null],
    [[`${"0".repeat(32)}\n`], null],
    [[null, null], null],
  ])("is named by the first file of %j that holds an id", (texts, id) => {
    const folder = mkdtempSync(join(tmpdir(), "estrato-machine-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const files = texts.map((text, index) => {
      if (text !== null) writeFileSync(join(folder, String(index)), text);
      return join(folder, String(index));
    });
    expect(thisMachine(files)).toEqual({ id, name: hostname() });
  });
});
