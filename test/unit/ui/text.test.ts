import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { colourAllowed, loadPainter } from "../../../src/ui/colour.ts";
import { yamlText } from "../../../src/ui/output/yaml.ts";
import { terminalOf } from "../../../src/ui/streams.ts";
import { fitted, flowed, jsonText, printable, printableLines, told } from "../../../src/ui/text.ts";
import { humanAge, humanDuration, humanSize, humanSpan, humanTime } from "../../../src/units.ts";
import { fakeStreams } from "../../fake/streams.ts";

test("control characters are shown escaped, on one line", () => {
  expect(printable("a\u0007b\u001b]0;x\u009c\n\r\t\u007f")).toBe("a\\x07b\\x1b]0;x\\x9c\\n\\r\\t\\x7f");
  expect(printable("\u202eevil\u2066")).toBe("\\u202eevil\\u2066");
  expect(printable("\u061ca\ufeff")).toBe("\\u061ca\\ufeff");
  expect(printable("Größe 東京 😀")).toBe("Größe 東京 😀");
});

test("JSON means the same, and holds nothing that a terminal would act on", () => {
  const value = { name: "a\u009b2Jb\u202e\u061c\ufeff", lines: ["x\ny\u001b"] };
  const text = jsonText(value, 2);
  expect(JSON.parse(text)).toEqual(value);
  expect(printableLines(text)).toBe(text);
  expect(parse(yamlText(value))).toEqual(value);
  expect(printableLines(yamlText(value))).toBe(yamlText(value));
  expect(yamlText({ name: "web1" })).toBe("name: web1\n");
});

/** Of the kinds that one version of YAML or the other takes for something else than text, and some that none does. */
const TEXTS = [
  ..."y n Y N yes Yes no NO on off On True FALSE null Null ~ = << < - -- --- ... . .5 .inf -.INF .NaN".split(" "),
  ..."0 007 0o17 0b101 0x1F +1 -1 1_000 1,000 1e3 1.5e+3 1:30 190:20:30 1:30.5 12:00 2026-11-30".split(" "),
  ..."2026-11-30T12:00:00Z 0f3a-7 5e10 web1 lay-1 /srv/a.qcow2 C: a:b a#b *a &a !a %a @a `a` ? : , [a] {a}".split(" "),
  ...["", " ", " a", "a ", "a: b", "a #b", "- a", "? a", "a:", "2026-11-30 12:00:00", "'a'", '"a"', "|", ">", "a\\b"],
  ...["1\n2", "yes\n", "\nyes", "a\n\n  b\n", "Größe", "東京", "😀", "null and void", "long ".repeat(30)],
];

test("YAML is read alike by the rules of 1.1 and 1.2, keys too, and plain words stay plain", () => {
  const harmless = { list: TEXTS, keys: Object.fromEntries(TEXTS.map((text) => [text, 1])), of: [1, 0.5, null, true] };
  for (const value of [harmless, { ...harmless, odd: "a\tb\u001b" }]) {
    const text = yamlText(value);
    for (const version of ["1.1", "1.2"] as const) expect(parse(text, { version })).toEqual(value);
    // Ansible's own reader; it is not everywhere.
    const read = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin.buffer.read())))";
    const { status, stdout, stderr } = spawnSync("python3", ["-c", read], { input: text, encoding: "utf8" });
    if (status === 0) expect(JSON.parse(stdout)).toEqual(value);
    else expect(stderr ?? "").not.toContain("yaml.");
  }
  expect(yamlText(["web1", "/srv/a", "on hold", "on", "1:30"])).toBe('- web1\n- /srv/a\n- on hold\n- "on"\n- "1:30"\n');
});

test("a message shows how what others wrote begins and ends, and no more than a screen can hold", () => {
  expect(told("web1: gone\u0007")).toBe("web1: gone\\x07");
  const long = told(`web1: \n${"x".repeat(10_000_000)}: no such file`);
  expect(long.length).toBeLessThan(10_000);
  expect(long).toMatch(/^web1: \\nx+…x+: no such file$/);
});

test("what is too wide ends in an ellipsis, and never takes more than its width", () => {
  expect(fitted("before-upgrade", 8)).toBe("before-…");
  expect(fitted("東京都", 4)).toBe("東…");
  expect(fitted("東京", 4)).toBe("東京");
  expect(fitted("👨‍👩‍👧 family", 8)).toBe("👨‍👩…");
  expect(fitted("web1", 4)).toBe("web1");
});

test("sizes are told in powers of 1024", () => {
  const told = {
    0: "0 B",
    1023: "1023 B",
    1024: "1 KiB",
    1536: "1.5 KiB",
    [10 * 1024 ** 3]: "10 GiB",
    [1024 ** 4]: "1 TiB",
  };
  for (const [bytes, text] of Object.entries(told)) expect(humanSize(Number(bytes))).toBe(text);
});

test("durations are told as they are typed", () => {
  const told = { 0: "0", 90000: "90s", 1800000: "30m", 43200000: "12h", 604800000: "1w", 1500: "1500 ms" };
  for (const [ms, text] of Object.entries(told)) expect(humanDuration(Number(ms))).toBe(text);
});

test("times are told in the reader's zone, to the minute", () => {
  expect(humanTime(new Date(2026, 0, 2, 3, 4, 5).toISOString())).toBe("2026-01-02 03:04");
  expect(humanTime("never")).toBe("never");
});

test("what stands side by side goes into the next line where there is no room, and is not broken", () => {
  const parts = ["F full", "i incremental", "! damaged"];
  expect(flowed(parts, parts, null)).toBe("F full   i incremental   ! damaged");
  expect(flowed(parts, parts, 34)).toBe("F full   i incremental   ! damaged");
  expect(flowed(parts, ["<F> full", "i incremental", "! damaged"], 33)).toBe("<F> full   i incremental\n! damaged");
  expect(flowed(parts, parts, 5)).toBe(parts.join("\n"));
});

test("spans are told in two units at most", () => {
  const told = {
    0: "0 ms",
    350: "350 ms",
    2400: "2.4 s",
    9960: "9 s",
    59999: "59 s",
    "-5": "0 ms",
    60000: "1 min",
    3660000: "1 h 1 min",
    273600000: "3 d 4 h",
  };
  for (const [ms, text] of Object.entries(told)) expect(humanSpan(Number(ms))).toBe(text);
});

test("ages are told in the largest unit, and as what is to come", () => {
  const now = Date.parse("2026-01-02T03:04:05Z");
  const told = {
    "2026-01-02T03:04:04.500Z": "now",
    "2026-01-02T03:04:04Z": "1 second ago",
    "2026-01-02T03:03:06Z": "59 seconds ago",
    "2026-01-02T03:02:05Z": "2 minutes ago",
    "2026-01-01T03:04:06Z": "23 hours ago",
    "2025-12-23T03:04:05Z": "10 days ago",
    "2025-11-02T03:04:05Z": "2 months ago",
    "2024-01-02T03:04:05Z": "2 years ago",
    "2026-01-02T06:05:05Z": "in 3 hours",
    never: "never",
  };
  for (const [iso, text] of Object.entries(told)) expect(humanAge(iso, now)).toBe(text);
});

test("colour needs a terminal that has it, unless it is asked for", () => {
  expect(colourAllowed("auto", true, {})).toBe(true);
  expect(colourAllowed("auto", false, {})).toBe(false);
  expect(colourAllowed("auto", true, { NO_COLOR: "1" })).toBe(false);
  expect(colourAllowed("auto", true, { NO_COLOR: "" })).toBe(true);
  expect(colourAllowed("auto", true, { TERM: "dumb" })).toBe(false);
  expect(colourAllowed("always", false, { NO_COLOR: "1" })).toBe(true);
  expect(colourAllowed("never", true, {})).toBe(false);
});

test("a painter paints only where it may", async () => {
  expect((await loadPainter(true))("red", "x")).toBe("\u001b[31mx\u001b[39m");
  expect((await loadPainter(false))("red", "x")).toBe("x");
});

test("COLUMNS wins over the terminal, and only a person at stdin and stderr can be asked", () => {
  const terminal = fakeStreams({ terminal: true });
  expect(terminalOf(terminal, {})).toMatchObject({ stdout: true, canAsk: true, columns: 80, movingStderr: true });
  expect(terminalOf(terminal, { COLUMNS: "120", TERM: "dumb" })).toMatchObject({ columns: 120, movingStderr: false });
  expect(terminalOf(terminal, { COLUMNS: "wide" }).columns).toBe(80);
  expect(terminalOf(fakeStreams(), {})).toMatchObject({ stdout: false, canAsk: false, columns: null });
});
