/** A required argument that is missing is asked for at a terminal; without one it is a usage error. */
import { EstratoError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import type { ArgumentSpec, Completion } from "./arguments.ts";
import { kindMeant, liveCandidates } from "./candidates.ts";
import { usageLine } from "./help.ts";
import type { Verb } from "./tree.ts";

/**
 * The operands as the arguments they are. Asks for what is missing. Throws "usage" where nobody can be asked, or for
 * one too many.
 */
export async function takeArguments(
  name: string,
  verb: Verb,
  operands: readonly string[],
  options: Readonly<Record<string, unknown>>,
  factory: Factory,
): Promise<Record<string, unknown>> {
  const specs = Object.entries(verb.arguments);
  const taken: Record<string, unknown> = {};
  let at = 0;
  for (const [key, spec] of specs) {
    if (spec.unless !== null && (options[spec.unless] ?? null) !== null) {
      taken[key] = spec.take([]);
      continue;
    }
    const words = spec.many ? operands.slice(at) : operands.slice(at, at + 1);
    at += words.length;
    const missing = spec.ask !== null && words.length === 0;
    taken[key] = spec.take(missing ? [await askFor(name, verb, spec, taken, factory)] : words);
  }
  const extra = operands[at];
  if (extra === undefined) return taken;
  const path = pathMeant(
    specs.map(([, spec]) => spec),
    operands,
  );
  throw new EstratoError("usage", `${name}: ${JSON.stringify(extra)} is one word too many`, {
    hint: path === null ? `Usage: ${usageLine(name, verb)}.` : `Did you mean ${path}?`,
  });
}

/** `snapshot revert web1 before`: in other tools two words name what is INSTANCE/NAME here. */
function pathMeant([spec, ...others]: readonly ArgumentSpec<unknown>[], operands: readonly string[]): string | null {
  if (spec === undefined || others.length > 0 || operands.length !== 2) return null;
  return spec.complete === "snapshot" || spec.complete === "backup" ? operands.join("/") : null;
}

/** One word for `spec`: chosen from what there is, or typed. `taken`: what stands before it. */
async function askFor(
  name: string,
  verb: Verb,
  spec: ArgumentSpec<unknown>,
  taken: Readonly<Record<string, unknown>>,
  factory: Factory,
): Promise<string> {
  const prompts = factory.prompts();
  if (prompts === null) {
    throw new EstratoError("usage", `${name}: ${spec.label} is missing`, {
      hint: `Usage: ${usageLine(name, verb)}.`,
    });
  }
  const question = spec.ask ?? spec.label;
  const kind = kindMeant(spec.complete, Object.values(taken)[0]);
  const choices = await liveCandidates(kind, factory);
  if (choices.length > 0) return prompts.choose(question, choices);
  if (CHOSEN.has(kind)) {
    throw new EstratoError("usage", `${name}: ${spec.label} is missing, and there is no ${kind} to choose`, {
      hint: `Usage: ${usageLine(name, verb)}.`,
    });
  }
  return prompts.ask(question);
}

const CHOSEN: ReadonlySet<Completion> = new Set(["instance", "snapshot", "image", "volume", "keypair", "flavor"]);
