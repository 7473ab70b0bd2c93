/** From the options of `schedule create` to what is to be done at its times. */
import type { Schedule } from "../../core/model/state.ts";
import { EstratoError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { passphraseFor } from "../backup/encryption.ts";
import { placeOf } from "../backup/place.ts";
import { policyOptions } from "../backup/policy.ts";
import { verificationOf } from "./verification.ts";

interface Given {
  readonly backup: string | null;
  readonly snapshot: string | null;
  readonly quiesce: "try" | "require" | "off";
  readonly target: string | null;
  readonly type: string | null;
  readonly incremental: boolean;
  readonly compress: boolean;
  readonly encrypt: boolean;
  readonly passphraseFile: string | null;
  readonly disk: readonly string[];
  readonly expire: number | null;
  readonly memory: boolean;
  readonly verify: string | null;
  readonly verifyTimeout: number | null;
  readonly consoleText: string | null;
}

/** Is any rule given that says what stays? */
export function keepsAny(options: { readonly [K in keyof typeof policyOptions]: number | null }): boolean {
  return (Object.keys(policyOptions) as (keyof typeof policyOptions)[]).some((key) => options[key] !== null);
}

/** Throws "usage" where not one of --backup and --snapshot is given, or an option of the other. */
export async function taskOf(factory: Factory, name: string, options: Given): Promise<Schedule["task"]> {
  const { backup, snapshot, quiesce, target, type, incremental, compress, disk, expire, memory } = options;
  if ((backup === null) === (snapshot === null)) {
    throw new EstratoError("usage", "schedule create: give one of --backup and --snapshot", {
      hint: "--backup INSTANCE takes copies in another folder, --snapshot INSTANCE none.",
    });
  }
  if (backup !== null) {
    refuse("--backup", { expire: expire !== null, memory });
    const passphraseFile = passphraseFor("schedule create", options);
    const folder = await placeOf(factory, target);
    const verify = verificationOf("schedule create", options);
    const how = { incremental, compress, quiesce, disks: [...disk], passphraseFile, verify };
    return { kind: "backup", target: folder, type: type ?? name, ...how };
  }
  const isTarget = target !== null;
  const { encrypt } = options;
  refuse("--snapshot", {
    ...{ target: isTarget, type: type !== null, incremental, compress, encrypt },
    disk: disk.length > 0,
    "passphrase-file": options.passphraseFile !== null,
    verify: options.verify !== null,
    "verify-timeout": options.verifyTimeout !== null,
    "console-text": options.consoleText !== null,
  });
  if (memory && quiesce === "require") {
    throw new EstratoError("usage", "--memory and --quiesce require: with its memory nothing needs to be quiesced", {
      hint: "Leave one of them out.",
    });
  }
  return { kind: "snapshot", quiesce, memory, expireMs: expire };
}

/** Null where no hook is given. */
export function hooksOf(options: {
  readonly hookBefore: string | null;
  readonly hookAfter: string | null;
  readonly hookTimeout: number;
  readonly hookFailure: "abort" | "warn";
}): Schedule["hooks"] {
  const { hookBefore: before, hookAfter: after, hookTimeout: timeoutMs, hookFailure: failure } = options;
  return before === null && after === null ? null : { before, after, timeoutMs, failure };
}

function refuse(chosen: string, given: Readonly<Record<string, boolean>>): void {
  const odd = Object.keys(given).find((name) => given[name]);
  if (odd === undefined) return;
  throw new EstratoError("usage", `schedule create: --${odd} does not go with ${chosen}`, {
    hint: `Leave --${odd} out.`,
  });
}
