/** Our lines in real crontabs: root's file for cron, and a user's own through crontab(1). */
import { execFile } from "node:child_process";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createHost } from "../../src/host/index.ts";
import { bedFolder } from "./real-rig.ts";

bedFolder(); // refuses to run anywhere else

const run = promisify(execFile);
const FILE = "/etc/cron.d/estrato";
const MARK = "estrato:sch-0000000000000000a";
const entry = {
  when: "0 3 * * *",
  environment: {},
  command: { program: "/usr/bin/true", args: ["50%", "it's"] },
  mark: MARK,
};

const clear = async () => {
  await rm(FILE, { force: true });
  await run("crontab", ["-r"]).catch(() => undefined);
};
beforeEach(clear);
afterEach(clear);

describe("a user's own crontab", () => {
  const host = createHost({ uri: "test:///default", uid: 1000, env: process.env });

  test("is empty where the user has none; lines come and go between others, which stay", async () => {
    expect(await host.crontab()).toEqual({ file: null, text: "" });
    const others = "# mine\nMAILTO=ana\n\n5 4 * * * true 100\\% # x\n";
    await writeFile("/tmp/estrato-crontab", others);
    await run("crontab", ["/tmp/estrato-crontab"]);
    await rm("/tmp/estrato-crontab");
    const line = host.cronLine(null, entry);
    for (const _ of ["once", "again"]) await host.perform({ do: "set-crontab", file: null, mark: MARK, lines: [line] });
    expect((await host.crontab()).text).toBe(`${others}${line}\n`);
    await host.perform({ do: "set-crontab", file: null, mark: MARK, lines: [] });
    expect((await host.crontab()).text).toBe(others);
  });

  test("bytes of others that are not UTF-8 stay as they are", async () => {
    const others = Buffer.from("# caf\xe9\n0 3 * * * cp /home/jos\xe9/a /b\n", "latin1");
    await writeFile("/tmp/estrato-crontab", others);
    await run("crontab", ["/tmp/estrato-crontab"]);
    await rm("/tmp/estrato-crontab");
    const listed = async () => (await run("crontab", ["-l"], { encoding: "buffer" })).stdout;
    const line = host.cronLine(null, { ...entry, command: { program: "/usr/bin/true", args: ["caf\u00e9"] } });
    await host.perform({ do: "set-crontab", file: null, mark: MARK, lines: [line] });
    expect(await listed()).toEqual(Buffer.concat([others, Buffer.from(`${line}\n`)]));
    await host.perform({ do: "set-crontab", file: null, mark: MARK, lines: [] });
    expect(await listed()).toEqual(others);
  });

  test("a line that crontab(1) refuses is an error, and all is as it was", async () => {
    const line = host.cronLine(null, { ...entry, when: "every night" });
    const set = host.perform({ do: "set-crontab", file: null, mark: MARK, lines: [line] });
    await expect(set).rejects.toMatchObject({ code: "failed" });
    expect((await host.crontab()).text).toBe("");
  });
});

test.each([0, 1000])("without crontab(1): host, naming the package (user id %i)", async (uid) => {
  const host = createHost({ uri: "test:///default", uid, env: { PATH: "/nowhere" } });
  await expect(host.crontab()).rejects.toMatchObject({ code: "host", hint: expect.stringContaining("cron") });
});

describe("root's file", () => {
  const host = createHost({ uri: "test:///default", uid: 0, env: process.env });

  test("is made for cron to read, and removed when it holds nothing any more", async () => {
    expect(await host.crontab()).toEqual({ file: FILE, text: "" });
    const line = host.cronLine(FILE, entry);
    await host.perform({ do: "set-crontab", file: FILE, mark: MARK, lines: [line] });
    expect(await readFile(FILE, "utf8")).toBe(`${line}\n`);
    expect((await stat(FILE)).mode & 0o7777).toBe(0o644);
    await host.perform({ do: "set-crontab", file: FILE, mark: MARK, lines: [] });
    await expect(stat(FILE)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("keeps what else somebody wrote into it", async () => {
    await writeFile(FILE, "PATH=/bin\n");
    const line = host.cronLine(FILE, entry);
    await host.perform({ do: "set-crontab", file: FILE, mark: MARK, lines: [line] });
    expect((await host.crontab()).text).toBe(`PATH=/bin\n${line}\n`);
    await host.perform({ do: "set-crontab", file: FILE, mark: MARK, lines: [] });
    expect(await readFile(FILE, "utf8")).toBe("PATH=/bin\n");
  });
});
