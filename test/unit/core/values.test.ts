import { expect, test } from "vitest";
import { parseCount, parseDuration, parseKeyValue, parseSize, parseTime } from "../../../src/core/values.ts";

const usage = expect.objectContaining({ code: "usage" });

test("sizes are powers of 1024", () => {
  const sizes = {
    "1": 1,
    "512": 512,
    "512B": 512,
    "1K": 1024,
    "512M": 512 * 1024 ** 2,
    "10G": 10 * 1024 ** 3,
    "10GiB": 10 * 1024 ** 3,
    "10g": 10 * 1024 ** 3,
    "1.5G": 1.5 * 1024 ** 3,
    "2T": 2 * 1024 ** 4,
  };
  for (const [text, bytes] of Object.entries(sizes)) expect(parseSize(text), text).toBe(bytes);
});

test("what is no size is refused", () => {
  for (const text of [
    "",
    "G",
    "10X",
    "-1G",
    "0",
    "0G",
    "1e3",
    "10 000",
    "0x10",
    "1.0001K",
    "9999999P",
    "10GG",
    "10Gi",
    "∞",
  ]) {
    expect(() => parseSize(text), text).toThrow(usage);
  }
  expect(() => parseSize("10X", "--ram")).toThrow('--ram "10X": not a size');
});

test("durations are milliseconds", () => {
  const durations = {
    "0": 0,
    "90s": 90_000,
    "30m": 1_800_000,
    "12h": 43_200_000,
    "7d": 604_800_000,
    "2w": 1_209_600_000,
  };
  for (const [text, ms] of Object.entries(durations)) expect(parseDuration(text), text).toBe(ms);
  for (const text of ["", "5", "5 m", "1.5h", "-5m", "1y", "m", "999999999w"]) {
    expect(() => parseDuration(text), text).toThrow(usage);
  }
});

test("times are ISO 8601", () => {
  expect(parseTime("2027-01-31T12:00:00Z").toISOString()).toBe("2027-01-31T12:00:00.000Z");
  expect(parseTime("2027-01-31T12:00+02:00").toISOString()).toBe("2027-01-31T10:00:00.000Z");
  expect(parseTime("2027-01-31T12:00").getHours()).toBe(12);
  expect(parseTime("2027-01-31").getHours()).toBe(0);
  expect(parseTime("2028-02-29").getDate()).toBe(29);
  for (const text of [
    "",
    "now",
    "31.1.2027",
    "2027-13-01",
    "2027-02-29",
    "2027-02-31T12:00Z",
    "2027-01-31T25:00",
    "2027",
  ]) {
    expect(() => parseTime(text), text).toThrow(usage);
  }
});

test("counts are whole numbers", () => {
  expect(parseCount("3")).toBe(3);
  expect(parseCount("0", "--limit", 0)).toBe(0);
  for (const text of ["", "0", "-1", "1.5", "1e3", "x", "99999999999"])
    expect(() => parseCount(text), text).toThrow(usage);
});

test("a property may be empty and hold an equals sign", () => {
  expect(parseKeyValue("k=v")).toEqual(["k", "v"]);
  expect(parseKeyValue("k=")).toEqual(["k", ""]);
  expect(parseKeyValue("k=a=b")).toEqual(["k", "a=b"]);
  expect(parseKeyValue("hw:disk.bus=scsi")).toEqual(["hw:disk.bus", "scsi"]);
  for (const text of ["", "k", "=v", "a b=v", "k=\u0000", "k=\u001b[2J"]) {
    expect(() => parseKeyValue(text), text).toThrow(usage);
  }
});
