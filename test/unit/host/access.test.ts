/** Who may pass through a folder, and what opens a file, by acl(5). */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { accessCommands, blockedFolders } from "../../../src/host/access.ts";
import { readText } from "../../../src/host/folders.ts";
import type { Processes } from "../../../src/host/process.ts";
import { parseUsers } from "../../../src/host/users.ts";

/** getfacl(1) -p -n of /, /home and /home/alice. */
const listing = (entries: string) => `# file: /
# owner: 0
# group: 0
user::rwx
group::r-x
other::r-x

# file: /home
# owner: 0
# group: 0
# flags: --t
user::rwx
group::r-x
other::r-x

# file: /home/alice
# owner: 3001
# group: 100
${entries}

`;

function getfacl(entries: string, groups = "3002 500"): Processes {
  const output: Processes["output"] = async ({ program }) => (program === "id" ? `${groups}\n` : listing(entries));
  return { output } as Processes;
}

const bob = { name: "bob", uid: 3002, home: "/home/bob" };

describe("a folder on the way", () => {
  const cases: [string, string, typeof bob | null, boolean][] = [
    ["to all others is open", "user::rwx\ngroup::---\nother::--x", bob, true],
    ["to all others is closed", "user::rwx\ngroup::r-x\nother::r--", bob, false],
    ["is its owner's", "user::rwx\ngroup::---\nother::---", { ...bob, uid: 3001 }, true],
    ["names the user", "user::rwx\nuser:3002:--x\ngroup::---\nmask::--x\nother::---", bob, true],
    [
      "names the user, and the mask takes it back",
      "user::rwx\nuser:3002:--x\t\t#effective:---\ngroup::---\nmask::---\nother::--x",
      bob,
      false,
    ],
    ["names a group of the user's", "user::rwx\ngroup::---\ngroup:500:--x\nmask::--x\nother::---", bob, true],
    [
      "shuts out a group of the user's, though all others may pass",
      "user::rwx\ngroup::---\ngroup:500:---\nmask::rwx\nother::--x",
      bob,
      false,
    ],
    ["lets pass everybody", "user::rwx\ngroup::---\nother::--x", null, true],
    ["lets pass only some", "user::rwx\nuser:3002:--x\ngroup::---\nmask::--x\nother::---", null, false],
  ];
  test.each(cases)("%s", async (_, entries, user, isOpen) => {
    const blocked = await blockedFolders(getfacl(entries), "/home/alice/store", user);
    expect(blocked).toEqual(isOpen ? [] : ["/home/alice"]);
  });

  test("whose group the user is in counts as the group says", async () => {
    const closed = "user::rwx\ngroup::---\nother::--x";
    expect(await blockedFolders(getfacl(closed, "100"), "/home/alice/store", bob)).toEqual(["/home/alice"]);
  });
});

test("readers are named in one step, with the mode's middle digit as what they may", () => {
  expect(accessCommands({ do: "set-access", path: "/x", mode: 0o440, readers: [3002, 3003] })).toEqual([
    { program: "setfacl", args: ["--set", "u::r--,g::---,o::---,m::r--,u:3002:r--,u:3003:r--", "--", "/x"] },
  ]);
});

test("users are read from passwd's lines, and what is none is left out", () => {
  const text =
    "root:x:0:0:root:/root:/bin/bash\nbob:x:3002:3002::/home/bob:/bin/sh\nbad\n:x:1:1::/h:\nrel:x:5:5::home:\n";
  expect(parseUsers(text)).toEqual([{ name: "root", uid: 0, home: "/root" }, bob]);
});

describe("a small file from outside", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("is not read through a link, nor where it is none or too large", async () => {
    const path = join(folder, "entry");
    writeFileSync(path, "12345");
    symlinkSync(path, join(folder, "link"));
    expect(await readText(path, 5)).toMatchObject({ text: "12345" });
    expect(await readText(path, 4)).toBeNull();
    expect(await readText(join(folder, "link"), 5)).toBeNull();
    expect(await readText(folder, 5)).toBeNull();
    expect(await readText("/dev/null", 5)).toBeNull();
  });
});
