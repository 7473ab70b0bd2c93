/** The lines that README, manual and help show, as a shell would hand them to the program. */
import { readdirSync, readFileSync } from "node:fs";
import type { Verb } from "../../../src/commands/framework/tree.ts";
import { catalogue } from "../../../src/program.ts";

export interface Example {
  /** Where it stands: a file, or `help NOUN VERB`. */
  readonly from: string;
  /** From `estrato` on, as it is written. */
  readonly line: string;
  /** What stands behind the program's name. */
  readonly words: readonly string[];
  /** It stands in a sentence, and may be but the name of a verb with the option that is spoken of. */
  readonly inText: boolean;
}

/** Every verb, by its words. */
export async function allVerbs(): Promise<Map<string, Verb>> {
  const verbs = new Map<string, Verb>();
  for (const [name, entry] of Object.entries(catalogue)) {
    if ("hidden" in entry) continue;
    if ("verb" in entry) verbs.set(name, (await entry.verb()).default);
    else
      for (const [verb, { load }] of Object.entries((await entry.noun()).default.verbs))
        verbs.set(`${name} ${verb}`, (await load()).default);
  }
  return verbs;
}

export async function allExamples(): Promise<Example[]> {
  const guides = readdirSync("man").filter((file) => file.endsWith(".md"));
  const written = ["README.md", ...guides.map((file) => `man/${file}`)].flatMap((file) =>
    examplesIn(file, readFileSync(file, "utf8")),
  );
  const helped = [...(await allVerbs())].flatMap(([name, { examples }]) =>
    examples.flatMap(({ line }) => examplesOf(`help ${name}`, line)),
  );
  return [...written, ...helped];
}

/** In blocks of code, whatever stands before them in the line; and in the text, between backquotes. */
function examplesIn(file: string, markdown: string): Example[] {
  const parts = markdown.split(/^```.*$/m);
  return parts.flatMap((part, index) => {
    if (index % 2 === 1) return part.split("\n").flatMap((line) => examplesOf(file, line));
    return [...part.matchAll(/`((?:sudo )?estrato [^`]+)`/g)].flatMap(([, code = ""]) =>
      examplesOf(file, code).map((one) => ({ ...one, inText: true })),
    );
  });
}

/** The places of a line where a shell begins a command, or where a table of ours begins its right side. */
const COMMAND = /(?:^\s*|^\$ |\$\(| {2}|sudo |\| |; |root {2})(?=estrato (?!alone|\S+:))/g;

function examplesOf(from: string, line: string): Example[] {
  return [...line.matchAll(COMMAND)].map((at) => {
    const { words, text } = commandOf(line.slice(at.index + at[0].length));
    return { from, line: text, words: words.slice(1), inText: false };
  });
}

/** The words of the first simple command, and its text. Of `$(…)` in it, and of variables, the text is kept. */
function commandOf(text: string): { words: string[]; text: string } {
  const words: string[] = [];
  let word: string | null = null;
  let quote = "";
  let at = 0;
  for (; at < text.length; at += 1) {
    const letter = text.charAt(at);
    if (quote !== "") {
      if (letter === quote) quote = "";
      else word += letter;
    } else if (letter === "'" || letter === '"') {
      quote = letter;
      word ??= "";
    } else if (letter === " ") {
      if (word !== null) words.push(word);
      word = null;
    } else if ((letter === "#" && word === null) || "|;)>&".includes(letter)) {
      break;
    } else {
      word = (word ?? "") + letter;
    }
  }
  if (word !== null) words.push(word);
  return { words, text: text.slice(0, at).trim() };
}
