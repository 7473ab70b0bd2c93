import { expect, test } from "vitest";
import { EstratoError } from "../../../src/errors.ts";
import { asEstratoError, EXIT_CODES, errorJson, errorLine, errorTrace, isFault } from "../../../src/ui/errors.ts";

test("an error is one line: what, why, what to do", () => {
  const error = new EstratoError("conflict", "volume data1: it is attached to web1", { hint: "Detach it first." });
  expect(errorLine(error)).toBe("estrato: volume data1: it is attached to web1. Detach it first.\n");
  expect(errorLine(new EstratoError("failed", "virsh define: no\n  second line.\u001b[2J"))).toEqual(
    expect.stringMatching(/^estrato: virsh define: no; second line\.\\x1b\[2J\. The same line with --trace .*\n$/),
  );
});

test("an error is one object for programs", () => {
  const error = new EstratoError("needs_yes", "no");
  expect(JSON.parse(errorJson(error, "estrato x", 8))).toEqual({
    error: { code: "needs_yes", message: "no", hint: null, command: "estrato x", exit: 8 },
  });
});

test("every code has the exit code of the contract", () => {
  expect(EXIT_CODES).toEqual({
    failed: 1,
    usage: 2,
    partial: 3,
    not_found: 4,
    conflict: 5,
    host: 6,
    timeout: 7,
    needs_yes: 8,
    integrity: 9,
    interrupted: 130,
    unreachable: 255,
  });
});

test("what is no error of ours is a fault, and the trace shows its cause", () => {
  const told = asEstratoError(new TypeError("x is undefined"));
  expect(errorLine(told)).toBe(
    "estrato: unexpected: x is undefined. This is a fault in estrato: run it again with --trace to see where.\n",
  );
  expect(told.code).toBe("failed");
  expect(errorTrace(told)).toMatch(/EstratoError: unexpected[\s\S]*caused by: TypeError: x is undefined/);
  expect(errorTrace(new EstratoError("failed", "a\u001b[2J"))).toMatch(/^EstratoError: a\\x1b\[2J\n {4}at /);
  expect(asEstratoError("a text").message).toBe("unexpected: a text");
});

test("a trace holds the words of others harmless, line by line", () => {
  const trace = errorTrace(new EstratoError("failed", "/x\u001b[2J: no", { cause: new Error("a\u0007\nb") }));
  expect(trace).toMatch(/^EstratoError: \/x\\x1b\[2J: no\n {4}at [\s\S]*\ncaused by: Error: a\\x07\nb\n {4}at /);
});

test("what the machine answers to a call is no fault of ours, and names the file", () => {
  const error = Object.assign(new Error("EPERM: operation not permitted, open '/s/layers/x'"), {
    code: "EPERM",
    syscall: "open",
    path: "/s/layers/x",
  });
  expect(errorLine(asEstratoError(error))).toMatch(/^estrato: \/s\/layers\/x: operation not permitted \(open\)\. See /);
  expect(asEstratoError(error).code).toBe("host");
  expect([isFault(error), isFault(new TypeError("no")), isFault(new EstratoError("usage", "no"))]).toEqual([
    false,
    true,
    false,
  ]);
  expect(isFault(Object.assign(new Error("no"), { code: "EPERM" }))).toBe(true); // nobody called the system
});
