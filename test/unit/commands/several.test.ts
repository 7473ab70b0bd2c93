/** Targets that the line does not name: by standard input, by --filter. */
import { expect, test } from "vitest";
import { estate, printed, run } from "./estate.ts";
import type { LineOptions } from "./line.ts";

const statuses = "instance list -f value -c name,status --sort name";

test("- stands for the names at standard input, one a line, of rows the first column", async () => {
  const on = await estate();
  const result = await run(on, "instance stop --force -", { input: "web1\tactive\n\n web2\tshutoff\n" });
  expect(result).toEqual({ exit: 0, stdout: "", stderr: "" });
  expect(await printed(on, statuses)).toContain("web1 shutoff\n");
  expect(await run(await estate(), "instance stop -", { input: "web1\nnosuch\n" })).toMatchObject({
    exit: 3,
    stderr: expect.stringContaining("1 of 2 instances failed to stop"),
  });
});

test("--filter chooses all that the list shows with it", async () => {
  const on = await estate();
  expect(await run(on, "instance stop --force --filter status=active")).toMatchObject({ exit: 0 });
  expect(await printed(on, statuses)).toBe("legacy shutoff\nput-by shelved\nweb1 shutoff\nweb2 shutoff\n");
  expect(await run(on, "snapshot delete --filter instance=web2")).toMatchObject({ exit: 0 });
  expect(await printed(on, "snapshot list web2 -f value -c name")).toBe("");
});

test("where that fits nothing there is nothing to do", async () => {
  const nothing = { exit: 0, stdout: "", stderr: "Nothing is meant: there is nothing to do.\n" };
  expect(await run(await estate(), "instance delete -y --filter status=paused")).toEqual(nothing);
  expect(await run(await estate(), "instance delete -y -", { input: "\n" })).toEqual(nothing);
});

test("a filter that the list does not have is a usage error, before anything is done", async () => {
  const { exit, stderr } = await run(await estate(), "instance delete -y --filter statsu=active");
  expect({ exit, stderr }).toEqual({
    exit: 2,
    stderr: 'estrato: column "statsu": there is none of that name. Did you mean status?\n',
  });
});

test("a no to one of them leaves that one, and is said", async () => {
  const on = await estate();
  const confirm = async ({ text }: { readonly text: string }) => !text.includes("data1");
  const prompts = { confirm } as unknown as NonNullable<LineOptions["prompts"]>;
  await printed(on, "volume create data9 --size 1M");
  expect(await run(on, "volume delete data1 data9", { prompts })).toMatchObject({
    exit: 0,
    stderr: expect.stringContaining("data1 is left as it is.\n"),
  });
  expect((await printed(on, "volume list -f value -c name")).split("\n")).toEqual(
    expect.not.arrayContaining(["data9"]),
  );
  expect(await printed(on, "volume list -f value -c name")).toContain("data1\n");
});
