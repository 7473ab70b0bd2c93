/** What of each backup is verified once it is there: the options that say it. */
import type { Verification } from "../../core/model/state.ts";
import { parsePercent } from "../../core/values.ts";
import { EstratoError } from "../../errors.ts";
import { duration, text } from "../framework/options.ts";

const BOOT_MS = 300_000;

export const verificationOptions = {
  verify: text("N%|boot", "then read that share of each backup, or all of it and start a guest from it", {
    complete: ["boot"],
  }),
  verifyTimeout: duration("with --verify boot: how long to wait until the guest is up; 5m, if not said"),
  consoleText: text("TEXT", 'with --verify boot: it is up when its serial console shows this ("login:")'),
};

interface Given {
  readonly verify: string | null;
  readonly verifyTimeout: number | null;
  readonly consoleText: string | null;
}

/** Null where nothing is to be verified. Throws "usage", also for what says how to boot where nothing is booted. */
export function verificationOf(verb: string, { verify, verifyTimeout, consoleText }: Given): Verification | null {
  if (verify === "boot") return { kind: "boot", timeoutMs: verifyTimeout ?? BOOT_MS, consoleText };
  const odd = verifyTimeout !== null ? "--verify-timeout" : consoleText !== null ? "--console-text" : null;
  if (odd !== null)
    throw new EstratoError("usage", `${verb}: ${odd} is for --verify boot`, {
      hint: "Say --verify boot too, or leave it out.",
    });
  if (verify === null) return null;
  return { kind: "share", percent: parsePercent(verify, "--verify"), from: 0 };
}
