import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { plainPainter } from "../../../src/ui/colour.ts";
import { flag, nested, number, size, status, text, time, words } from "../../../src/ui/output/columns.ts";
import type { Json } from "../../../src/ui/output/json.ts";
import { type OutputWish, selectionOf } from "../../../src/ui/output/options.ts";
import { compileQuery } from "../../../src/ui/output/query.ts";
import { renderRows, type Shape } from "../../../src/ui/output/render.ts";
import { mapOf, TEXT } from "../../../src/ui/output/shape.ts";

interface Guest {
  readonly name: string;
  readonly status: string | null;
  readonly vcpus: number;
  readonly ramBytes: number;
  readonly addresses: readonly string[];
  readonly createdAt: string | null;
  readonly managed: boolean;
  readonly properties: Readonly<Record<string, string>>;
}

const columns = [
  text<Guest>("name", (guest) => guest.name),
  status<Guest>("status", (guest) => guest.status, { orNull: true }),
  number<Guest>("vcpus", (guest) => guest.vcpus),
  size<Guest>("ram_bytes", (guest) => guest.ramBytes),
  words<Guest>("addresses", (guest) => guest.addresses),
  time<Guest>("created_at", (guest) => guest.createdAt, { listed: false, orNull: true }),
  flag<Guest>("managed", (guest) => guest.managed),
  nested("properties", (guest: Guest) => guest.properties, mapOf(TEXT), { listed: false }),
];

function guest(name: string, more: Partial<Guest> = {}): Guest {
  const usual = {
    status: "active",
    vcpus: 1,
    ramBytes: 512 * 1024 ** 2,
    addresses: [],
    createdAt: null,
    managed: true,
  };
  return { name, ...usual, properties: {}, ...more };
}

const web1 = guest("web1", { vcpus: 2, addresses: ["10.0.0.2", "fd00::2"], properties: { tier: "front", "a.b": "x" } });
const db1 = guest("db1", { status: null, vcpus: 10, ramBytes: 1536 * 1024 ** 2, managed: false });
const noWish: OutputWish = {
  format: null,
  columns: [],
  sort: null,
  filters: [],
  limit: null,
  query: null,
  header: true,
  wide: false,
};
const NOW = Date.parse("2026-01-02T03:04:05Z");

async function drawn(
  rows: readonly Guest[],
  wish: Partial<OutputWish> & { terminal?: boolean; width?: number; shape?: Shape } = {},
): Promise<string> {
  const whole = { ...noWish, ...wish };
  return renderRows(rows, wish.shape ?? "list", columns, selectionOf(whole, columns), {
    wish: whole,
    isTerminal: wish.terminal ?? false,
    columns: wish.width ?? null,
    nowMs: NOW,
    painter: plainPainter,
    query: whole.query === null ? null : await compileQuery(whole.query),
  });
}

describe("a list", () => {
  test("is a table for people at a terminal", async () => {
    expect(await drawn([web1, db1], { terminal: true })).toBe(
      "NAME  STATUS  VCPUS      RAM  ADDRESSES          MANAGED\n" +
        "web1  active      2  512 MiB  10.0.0.2, fd00::2  yes\n" +
        "db1              10  1.5 GiB                     no\n",
    );
  });

  test("is full values behind tabs in a pipe", async () => {
    expect(await drawn([web1])).toBe("web1\tactive\t2\t536870912\t10.0.0.2,fd00::2\ttrue\n");
  });

  test("is an aligned table in a pipe where --format table asks for one", async () => {
    expect(await drawn([web1], { format: "table", columns: ["name", "vcpus"] })).toBe("NAME  VCPUS\nweb1      2\n");
  });

  test("has no header with --no-header", async () => {
    expect(await drawn([web1], { terminal: true, header: false, columns: ["name"] })).toBe("web1\n");
    expect(await drawn([web1], { format: "csv", header: false, columns: ["name"] })).toBe("web1\n");
  });

  test("that is empty is [] in json and nothing in the rest", async () => {
    expect(await drawn([], { format: "json" })).toBe("[]\n");
    expect(await drawn([], { format: "yaml" })).toBe("[]\n");
    expect(await drawn([], { terminal: true })).toBe("");
    expect(await drawn([], { format: "value" })).toBe("");
  });

  test("of some hundred rows looks the same, drawn by the plain writer", async () => {
    const rows = Array.from({ length: 500 }, (_, index) => guest(`web${index}`));
    const few = await drawn(rows.slice(0, 150), { terminal: true, columns: ["name", "vcpus"] });
    const many = await drawn(rows, { terminal: true, columns: ["name", "vcpus"] });
    expect(
      many
        .split("\n")
        .slice(0, 40)
        .map((line) => line.trim()),
    ).toEqual(
      few
        .split("\n")
        .slice(0, 40)
        .map((line) => line.trim()),
    );
    expect(many.split("\n")).toHaveLength(502);
  });

  const long = guest("a-very-long-name-of-an-instance", { addresses: ["10.0.0.2"] });

  test.each([
    [80, "NAME STATUS VCPUS RAM ADDRESSES MANAGED"],
    [72, "NAME STATUS VCPUS RAM ADDRESSES"],
    [50, "NAME STATUS VCPUS"],
    [39, "NAME STATUS"],
    [38, "NAME VCPUS"],
    [10, "NAME"],
  ])("shows at %i columns what fits, the least important left out, and cuts nothing", async (width, headers) => {
    const [head, row] = (await drawn([long], { terminal: true, width })).split("\n");
    expect(head?.split(/ +/).join(" ")).toBe(headers);
    expect(row).toContain("a-very-long-name-of-an-instance");
    if (width > 31) expect(row?.length).toBeLessThanOrEqual(width);
  });

  test("shows at a narrow terminal whatever fits beside the important, and everything with --wide", async () => {
    const wish = { terminal: true, width: 40 };
    expect(await drawn([web1], wish)).toBe(
      "NAME  STATUS  VCPUS      RAM  MANAGED\nweb1  active      2  512 MiB  yes\n",
    );
    const [head] = (await drawn([web1], { ...wish, wide: true })).split("\n");
    expect(head).toBe("NAME  STATUS  VCPUS      RAM  ADDRESSES          MANAGED");
  });

  test("gives no room to a column in which nothing stands where another needs it", async () => {
    const text = await drawn([guest("web1")], { terminal: true, width: 34 });
    expect(text).toBe(
      "NAME  STATUS  VCPUS      RAM  MANAGED\nweb1  active      1  512 MiB  yes\n".replaceAll(/ {2}(MANAGED|yes)/g, ""),
    );
  });

  test("tells people ages, and whoever reads a pipe the time", async () => {
    const row = guest("web1", { createdAt: "2026-01-02T03:02:05Z" });
    const wish = { columns: ["created_at"], header: false };
    expect(await drawn([row], { ...wish, terminal: true })).toBe("2 minutes ago\n");
    expect(await drawn([row], wish)).toBe("2026-01-02T03:02:05Z\n");
    expect(await drawn([row], { ...wish, format: "table" })).not.toContain("ago");
    const one = await drawn([row], { ...wish, shape: "one", terminal: true });
    expect(one).toMatch(/^created_at {2}2026-01-0\d \d\d:02 \(2 minutes ago\)\n$/);
  });

  test("shows whole what -c names, however narrow it is", async () => {
    const text = await drawn([long], { terminal: true, width: 24, columns: ["name", "vcpus"] });
    expect(text).toBe("NAME                             VCPUS\na-very-long-name-of-an-instance      1\n");
  });
});

describe("one thing", () => {
  test("is a table of fields and values at a terminal", async () => {
    const text = await drawn([db1], { shape: "one", terminal: true, columns: ["name", "ram_bytes", "managed"] });
    expect(text).toBe("FIELD      VALUE\nname       db1\nram_bytes  1.5 GiB\nmanaged    no\n");
  });

  test("is one object in json, with every key", async () => {
    expect(JSON.parse(await drawn([web1], { shape: "one", format: "json" }))).toEqual({
      name: "web1",
      status: "active",
      vcpus: 2,
      ram_bytes: 536870912,
      addresses: ["10.0.0.2", "fd00::2"],
      created_at: null,
      managed: true,
      properties: { tier: "front", "a.b": "x" },
    });
  });

  test("of several is an array in json", async () => {
    expect(JSON.parse(await drawn([web1, db1], { shape: "each", format: "json", columns: ["name"] }))).toEqual([
      { name: "web1" },
      { name: "db1" },
    ]);
  });
});

describe("-f value", () => {
  test("-c id prints it and nothing else", async () => {
    expect(await drawn([web1], { shape: "one", format: "value", columns: ["name"] })).toBe("web1\n");
  });

  test("parts several columns by a space, and null is None", async () => {
    expect(await drawn([db1], { format: "value", columns: ["name", "status", "vcpus"] })).toBe("db1 None 10\n");
  });
});

test("csv quotes what it must, and null is empty", async () => {
  const odd = guest('a "b", c', { status: null });
  expect(await drawn([odd], { format: "csv", columns: ["name", "status"] })).toBe('name,status\n"a ""b"", c",\n');
});

test("yaml holds the chosen keys in their order", async () => {
  expect(await drawn([web1], { format: "yaml", columns: ["vcpus", "name"] })).toBe("- vcpus: 2\n  name: web1\n");
});

describe("columns", () => {
  test("are named by key, by header, or by a path into what is nested", async () => {
    expect(await drawn([web1], { format: "value", columns: ["Name", "properties.tier", "properties.a.b"] })).toBe(
      "web1 front x\n",
    );
  });

  test("that are not there are a usage error that names those that may be meant, or all", () => {
    const withHint = (hint: unknown) => expect.objectContaining({ code: "usage", hint });
    expect(() => selectionOf({ ...noWish, columns: ["nmae"] }, columns)).toThrow(withHint("Did you mean name?"));
    expect(() => selectionOf({ ...noWish, columns: ["unlike"] }, columns)).toThrow(
      withHint(expect.stringContaining("name, status")),
    );
    expect(() => selectionOf({ ...noWish, sort: "nmae" }, columns)).toThrow(/nmae/);
    expect(() => selectionOf({ ...noWish, filters: ["nmae=1"] }, columns)).toThrow(/nmae/);
    expect(() => selectionOf({ ...noWish, filters: ["name"] }, columns)).toThrow(/KEY=VALUE/);
    // Nothing is below them: each row would fit what is empty.
    for (const key of ["name.x", "addresses.x", "vcpus.x"])
      expect(() => selectionOf({ ...noWish, filters: [`${key}=null`] }, columns)).toThrow(key);
  });
});

describe("rows", () => {
  const all = [web1, db1, guest("web2", { vcpus: 4, managed: false })];
  const names = (wish: Partial<OutputWish>): Promise<string> =>
    drawn(all, { format: "value", columns: ["name"], ...wish });

  test("are sorted by numbers as numbers, up or down, and nothing comes last", async () => {
    expect(await names({ sort: "vcpus" })).toBe("web1\nweb2\ndb1\n");
    expect(await names({ sort: "vcpus:desc" })).toBe("db1\nweb2\nweb1\n");
    expect(await names({ sort: "status" })).toBe("web1\nweb2\ndb1\n");
    expect(await names({ sort: "status:desc,name:desc" })).toBe("web2\nweb1\ndb1\n");
  });

  test("are filtered by equality, all filters at once", async () => {
    expect(await names({ filters: ["managed=false"] })).toBe("db1\nweb2\n");
    expect(await names({ filters: ["managed=false", "vcpus=4"] })).toBe("web2\n");
    expect(await names({ filters: ["properties.tier=front"] })).toBe("web1\n");
    expect(await names({ filters: ["addresses=10.0.0.2"] })).toBe("web1\n");
    expect(await names({ filters: ["status="] })).toBe("db1\n");
    expect(await names({ filters: ["status=null"] })).toBe("db1\n");
    expect(await names({ filters: ["addresses="] })).toBe("db1\nweb2\n");
  });

  test("are limited after they are sorted", async () => {
    expect(await names({ sort: "vcpus:desc", limit: 1 })).toBe("db1\n");
    expect(await names({ limit: 0 })).toBe("");
  });
});

describe("--query", () => {
  test("answers in json, as in aws", async () => {
    expect(await drawn([web1, db1], { query: "[?managed].name" })).toBe('[\n  "web1"\n]\n');
  });

  test("takes literals in backticks", async () => {
    expect(await drawn([web1, db1], { query: "[?vcpus == `10`].name | [0]", format: "value" })).toBe("db1\n");
    expect(await drawn([web1], { query: "[?name == `web1`] | length(@)", format: "value" })).toBe("1\n");
  });

  test("answers in the chosen format", async () => {
    const query = "[].{n: name, v: vcpus}";
    expect(await drawn([web1, db1], { query, format: "csv" })).toBe("n,v\nweb1,2\ndb1,10\n");
    expect(await drawn([web1, db1], { query: "[].[name, vcpus]", format: "value" })).toBe("web1 2\ndb1 10\n");
    expect(await drawn([web1, db1], { query, format: "table" })).toBe("N     V\nweb1  2\ndb1   10\n");
  });

  test("that is malformed is a usage error", async () => {
    await expect(compileQuery("[?")).rejects.toMatchObject({ code: "usage" });
  });
});

test("a name cannot forge a row or move the cursor, but json holds it as it is", async () => {
  const evil = guest("a\u001b[2J\nweb9\tx\u202e");
  const shown = "a\\x1b[2J\\nweb9\\tx\\u202e";
  expect(await drawn([evil], { terminal: true, columns: ["name"] })).toBe(`NAME\n${shown}\n`);
  for (const format of [null, "value", "csv"] as const) {
    expect(await drawn([evil], { format, columns: ["name"], header: false })).toBe(`${shown}\n`);
  }
  expect(JSON.parse(await drawn([evil], { format: "json" }))[0].name).toBe(evil.name);
});

test("wide characters take two columns", async () => {
  expect(await drawn([guest("東京"), guest("web")], { terminal: true, columns: ["name", "vcpus"] })).toBe(
    "NAME  VCPUS\n東京      1\nweb       1\n",
  );
});

test("what is joined of several characters is as wide as a terminal shows it", async () => {
  const names = ["👨‍👩‍👧", "🇪🇸", "Größe", "e\u0301"];
  expect(
    await drawn(
      names.map((name) => guest(name)),
      { terminal: true, columns: ["name", "vcpus"] },
    ),
  ).toBe("NAME   VCPUS\n👨‍👩‍👧         1\n🇪🇸         1\nGröße      1\ne\u0301          1\n");
});

describe("what is nested, in a cell", () => {
  const nest = {
    disks: [
      { device: "vda", size_bytes: 1 },
      { device: "vdb", size_bytes: 2 },
    ],
    task: { keep: { last: 3 } },
  };
  const columnsOf = (value: Json) => [nested("x", (_: null) => value, { schema: {} })];
  const inCell = async (value: Json, format: "csv" | "value" | null) => {
    const wish = { ...noWish, format, header: false };
    const page = { wish, isTerminal: false, columns: null, nowMs: NOW, painter: plainPainter, query: null };
    return renderRows([null], "one", columnsOf(value), selectionOf(wish, columnsOf(value)), page);
  };

  test("is key=value, and what lies deeper in parentheses", async () => {
    expect(await inCell(nest.disks, "value")).toBe("device=vda,size_bytes=1;device=vdb,size_bytes=2\n");
    expect(await inCell(nest.disks, "csv")).toBe('"device=vda,size_bytes=1;device=vdb,size_bytes=2"\n');
    expect(await inCell(nest.task, "value")).toBe("keep=(last=3)\n");
    expect(await inCell(nest.task, null)).toBe("x\tkeep=(last=3)\n");
    expect(await inCell([[1, 2], [3]], "value")).toBe("(1,2),(3)\n");
  });

  test("is never JSON", async () => {
    const word = fc.constantFrom("a", "vda", "10", "");
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, word, fc.integer(), fc.constant(null), tie("list"), tie("object")),
      list: fc.array(tie("value"), { maxLength: 3 }),
      object: fc.dictionary(word, tie("value"), { maxKeys: 3 }),
    }));
    await fc.assert(
      fc.asyncProperty(value, async (one) => {
        for (const format of ["csv", "value", null] as const) {
          expect((await inCell(one as Json, format)).replaceAll(/^"|"$/gm, "")).not.toMatch(/[[\]{}"]/);
        }
      }),
      { numRuns: 100 },
    );
  });
});
