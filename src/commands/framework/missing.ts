/** Required arguments that are missing: usage errors where nobody was asked for them. */
import { EstratoError } from "../../errors.ts";
import type { ArgumentSpec } from "./arguments.ts";
import { usageLine } from "./help.ts";
import type { Verb } from "./tree.ts";

/** The required arguments that these operands leave out, in their order. */
export function lacking(
  verb: Verb,
  operands: readonly string[],
  options: Readonly<Record<string, unknown>>,
): ArgumentSpec<unknown>[] {
  const specs = Object.values(verb.arguments).filter((spec) => !isStoodFor(spec, options));
  return specs.slice(operands.length).filter(({ ask }) => ask !== null);
}

/** Throws "usage" for an operand that its argument does not take: nobody is asked for the others then. */
export function requireGiven(
  verb: Verb,
  operands: readonly string[],
  options: Readonly<Record<string, unknown>>,
): void {
  const specs = Object.values(verb.arguments).filter((spec) => !isStoodFor(spec, options));
  for (const [at, spec] of specs.entries()) if (at < operands.length) spec.take(operands.slice(at));
}

/** Does an option that is given stand in for it? */
function isStoodFor({ unless }: ArgumentSpec<unknown>, options: Readonly<Record<string, unknown>>): boolean {
  return unless !== null && (options[unless] ?? null) !== null;
}

/** The operands as the arguments they are. Throws "usage" for one that is missing, or for one too many. */
export function takeArguments(
  name: string,
  verb: Verb,
  operands: readonly string[],
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const specs = Object.entries(verb.arguments);
  const missing = lacking(verb, operands, options);
  const taken: Record<string, unknown> = {};
  let at = 0;
  for (const [key, spec] of specs) {
    const words = isStoodFor(spec, options) ? [] : operands.slice(at, spec.many ? undefined : at + 1);
    at += words.length;
    if (missing.includes(spec)) {
      throw new EstratoError("usage", `${name}: ${spec.label} is missing`, {
        hint: `Usage: ${usageLine(name, verb)}.`,
      });
    }
    taken[key] = spec.take(words);
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

/** The arguments where --filter has chosen: the first takes what it has, if it takes several, and all else is empty. */
export function chosenArguments(verb: Verb, chosen: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(verb.arguments).map(([key, spec], at) => [key, spec.take(at === 0 && spec.many ? chosen : [])]),
  );
}
