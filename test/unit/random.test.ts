import { expect, test } from "vitest";
import { randomBytes, randomDigits, randomUuid } from "../../src/random.ts";

test("chance comes in the length that was asked for, and not twice the same", () => {
  for (const count of [1, 6, 17]) expect(randomDigits(count)).toMatch(new RegExp(`^[0-9a-f]{${count}}$`));
  expect(randomBytes(256)).toHaveLength(256);
  expect(new Set(Array.from({ length: 1000 }, () => randomDigits(12))).size).toBe(1000);
  // All 256 values of a byte: none is left out.
  expect(new Set(Array.from({ length: 40 }, () => [...randomBytes(256)]).flat()).size).toBe(256);
});

test("a UUID says that it is of version 4", () => {
  for (let at = 0; at < 100; at += 1)
    expect(randomUuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
