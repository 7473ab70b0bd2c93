/**
 * `--trust-definition`: the definition that a source brings is taken whole, after a yes to what of this host it names.
 * Without it the note says what was left out.
 */
import { EstratoError } from "../../errors.ts";
import { confirmed } from "../confirm.ts";
import type { World } from "../ports.ts";
import { recordedDefinition } from "./definition-file.ts";
import { findSource, type SourceChoice } from "./source.ts";

/** What a person has said yes to: this very text, and no other. */
export interface TrustedDefinition {
  readonly xml: string;
}

const HEADING = "Of this host it names";
const MOST_WORDS = 20;

/**
 * Shows what of this host the definition names, and asks. `what`: whose it is, "backup bak-…". Null: no. Throws
 * "needs_yes" where nobody can answer.
 */
export async function trustDefinition(world: World, xml: string, what: string): Promise<TrustedDefinition | null> {
  const named = await world.host.namedOfHost(xml);
  const text = `Take the whole definition of ${what}?`;
  const yes = await confirmed(world, { text, heading: HEADING, loses: named.length === 0 ? ["nothing"] : named });
  return yes ? { xml } : null;
}

/**
 * The same of an image or a snapshot. Throws "not_found" where there is none, "usage" where it has no definition: a
 * volume never has one.
 */
export async function trustSource(world: World, choice: SourceChoice): Promise<TrustedDefinition | null> {
  const source = findSource(await world.store.read(), choice);
  if (source.definition === null) throw noDefinition(source.label);
  return trustDefinition(world, await recordedDefinition(world, source.definition), source.label);
}

export function noDefinition(label: string): EstratoError {
  return new EstratoError("usage", `${label}: it has no definition that could be trusted`, {
    hint: "Leave --trust-definition out.",
  });
}

/** Throws "conflict" where it is not the one that was shown. */
export function requireShown(xml: string, trusted: TrustedDefinition, what: string): void {
  if (xml === trusted.xml) return;
  throw new EstratoError("conflict", `${what}: its definition is no longer the one that was shown`, {
    hint: "Look at it again: give the command once more.",
  });
}

/** One note; others chose the words. */
export function tellLeftOut(world: World, what: string, words: readonly string[]): void {
  if (words.length === 0) return;
  const more = words.length > MOST_WORDS ? ` and ${words.length - MOST_WORDS} more` : "";
  const list = `${words.slice(0, MOST_WORDS).join(", ")}${more}`;
  world.report.note(`${what}: not taken from the definition that it came with: ${list}; see --trust-definition`);
}
