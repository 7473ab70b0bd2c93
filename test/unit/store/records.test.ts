/** What killed writers leave among the records. */
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openStore } from "../../../src/store/index.ts";

const home = mkdtempSync(join(tmpdir(), "estrato-records-"));
afterAll(() => rmSync(home, { recursive: true }));

it("is no record, and is cleared away by who lists them, once it is old", async () => {
  const store = openStore({ home, systemMode: false });
  await store.writeRecord("a.xml", "<a/>");
  const [young, old] = ["1", "2"].map((pid) => join(home, "records", `.b.xml.${pid}-1.tmp`)) as [string, string];
  for (const path of [young, old]) writeFileSync(path, "<ha");
  utimesSync(old, 0, 0);
  await store.writeRecord("c.xml", "<c/>");
  expect(existsSync(old)).toBe(true);
  expect(await store.listRecords()).toEqual(["a.xml", "c.xml"]);
  expect([existsSync(young), existsSync(old)]).toEqual([true, false]);
});
