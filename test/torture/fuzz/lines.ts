/** Whole lines of the program on a host and a store in memory, and what must hold of them whatever the input. */
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import type { HostPort } from "../../../src/core/ports.ts";
import { parseXml } from "../../../src/host/xml.ts";
import { EXIT_CODES } from "../../../src/ui/errors.ts";
import { differences, estate } from "../../unit/commands/estate.ts";
import { type LineResult, runLine } from "../../unit/commands/line.ts";
import { type Bed, command, everything, TARGET } from "../../unit/core/world.ts";
import { scratchFile } from "./images.ts";
import { CANARY } from "./mutate.ts";
import { requireLine, Wrong } from "./oracle.ts";

export type { Bed } from "../../unit/core/world.ts";
export { estate, TARGET };

const CODES = new Set([0, ...Object.values(EXIT_CODES)]);
/** Of these the contract says that nothing has changed. */
const REFUSED = new Set<number>([EXIT_CODES.usage, EXIT_CODES.not_found, EXIT_CODES.conflict, EXIT_CODES.needs_yes]);
/** Where the program may make files: its own store, targets, and libvirt's NVRAM. */
const OURS = ["/fake/estrato/", `${TARGET}/`, "/var/lib/libvirt/qemu/nvram/"];

export interface LineWish {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** There is an operation to be recovered first, whatever becomes of the line itself. */
  readonly recovers?: boolean;
}

/** Runs one, and throws "Wrong" where anything of it is not as it must be. */
export async function requireSound(
  on: Bed,
  words: readonly string[],
  { recovers = false, ...wish }: LineWish = {},
): Promise<LineResult> {
  const before = everything(on);
  const files = new Set(on.machine.files.keys());
  const strange = strangeElements(on);
  const { host, store } = command(on);
  const result = await runLine(words, {
    host: { ...host, interactive: async () => 0 } as HostPort,
    store,
    ids: on.ids,
    clock: on.clock,
    systemFolder: scratchFile("etc"),
    ...wish,
    env: { XDG_CONFIG_HOME: scratchFile("home"), XDG_STATE_HOME: "/dev/null", HOME: scratchFile("home"), ...wish.env },
  });
  requireSaid(words, result);
  if (REFUSED.has(result.exit) && !recovers) {
    const changed = differences(before, everything(on));
    if (changed.length > 0) throw new Wrong(`${result.stderr.trim()}: refused, and changed all the same: ${changed}`);
  }
  requireInside(on, files, words);
  const isTrusted = words.some((word) => TRUSTING.includes(word));
  if (strangeElements(on) > strange && !isTrusted) throw new Wrong("an element came in as text");
  return result;
}

function requireSaid(words: readonly string[], { exit, stderr }: LineResult): void {
  const isCheck = words.includes("check");
  if (!CODES.has(exit) && !(isCheck && exit <= 3)) throw new Wrong(`exit code ${exit}`);
  if (/^estrato: unexpected[: (]|fault in estrato/m.test(stderr)) throw new Wrong(`exit ${exit}: ${stderr}`);
  const typed = words.reduce((sum, word) => sum + word.length, 0);
  for (const line of stderr.split(/(?<=\n)/).filter(Boolean)) requireLine(line, typed);
  const isSaid = stderr !== "" || isCheck || ["ssh", "console"].some((word) => words.includes(word));
  if (exit !== 0 && !isSaid) throw new Wrong(`exit code ${exit} without a word`);
}

/** A new file lies in a folder of ours, or where the line said. */
function requireInside(on: Bed, before: ReadonlySet<string>, words: readonly string[]): void {
  for (const path of on.machine.files.keys()) {
    if (before.has(path) || OURS.some((folder) => path.startsWith(folder) && !path.includes("/../"))) continue;
    if (
      !words.some((word) => word.includes("/") && path.startsWith(word.replace(/^--[a-z-]+=/, "").replace(/\/+$/, "")))
    )
      throw new Wrong(`it made ${JSON.stringify(path)}`);
  }
}

/** By definition; most are the same over and over. */
const counted = new Map<string, number>();

/** What libvirt is told is XML: how many elements it holds that were only ever a text. */
function strangeElements({ machine }: Bed): number {
  let count = 0;
  for (const { inactive } of machine.domains.values()) {
    const elements = () => parseXml(inactive, "domain").documentElement?.getElementsByTagName(CANARY).length ?? 0;
    const own = counted.get(inactive) ?? elements();
    if (counted.size > 1000) counted.clear();
    counted.set(inactive, own);
    count += own;
  }
  return count;
}

/** A kept definition is our own, and what is trusted is taken as it is. */
const TRUSTING = ["--trust-definition", "doctor"];

/** On the real machine: nothing was made beside the folder of the fuzz, whatever was asked of a shell or of a path. */
export function requireNoEscape(): void {
  if (existsSync(`/tmp/${CANARY}`) || readdirSync(tmpdir()).some((name) => name.includes(CANARY)))
    throw new Wrong("a shell, or a path, has made the canary");
}
