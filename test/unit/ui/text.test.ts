import { expect, test } from "vitest";
import { colourAllowed, loadPainter } from "../../../src/ui/colour.ts";
import { terminalOf } from "../../../src/ui/streams.ts";
import { fitted, jsonText, padded, printable, widthOf, wrapped } from "../../../src/ui/text.ts";
import { humanDuration, humanSize, humanTime } from "../../../src/ui/units.ts";
import { fakeStreams } from "../../fake/streams.ts";

test("control characters are shown escaped, on one line", () => {
  expect(printable("a\u0007b\u001b]0;x\u009c\n\r\t\u007f")).toBe("a\\x07b\\x1b]0;x\\x9c\\n\\r\\t\\x7f");
  expect(printable("\u202eevil\u2066")).toBe("\\u202eevil\\u2066");
  expect(printable("Größe 東京 😀")).toBe("Größe 東京 😀");
});

test("JSON holds no character that acts on a terminal, and means the same", () => {
  const value = { name: "a\u009b2J\u202e\u007f\n", list: ["\u2028"] };
  expect(jsonText(value, 2)).toBe(`{
  "name": "a\\u009b2J\\u202e\\u007f\\n",
  "list": [
    "\\u2028"
  ]
}`);
  expect(JSON.parse(jsonText(value))).toEqual(value);
});

test("text is measured as a terminal shows it", () => {
  expect(widthOf("web1")).toBe(4);
  expect(widthOf("Größe")).toBe(5);
  expect(widthOf("e\u0301")).toBe(1);
  expect(widthOf("東京")).toBe(4);
  expect(widthOf("😀")).toBe(2);
});

test("what is too wide ends in an ellipsis, and never takes more than its width", () => {
  expect(fitted("before-upgrade", 8)).toBe("before-…");
  expect(fitted("東京都", 4)).toBe("東…");
  expect(fitted("web1", 4)).toBe("web1");
  expect(padded("東京", 6)).toBe("東京  ");
  expect(padded("7", 3, "right")).toBe("  7");
});

test("paragraphs break at spaces", () => {
  expect(wrapped("one two three", 8)).toEqual(["one two", "three"]);
  expect(wrapped("a-word-that-is-long b", 8)).toEqual(["a-word-that-is-long", "b"]);
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
