/** What --help prints, from the declarations that the manual is made of. */
import { wrapped } from "../../ui/text.ts";
import type { ArgumentSpec } from "./arguments.ts";
import { GLOBAL_OPTIONS } from "./globals.ts";
import type { OptionSpec } from "./options.ts";
import { longFlags } from "./parse.ts";
import { resolve } from "./resolve.ts";
import type { Catalogue, Noun, Options, Verb } from "./tree.ts";

const WIDTH = 100;

/** `INSTANCE`, `[NAME]`, `INSTANCE...`. */
export function argumentWord({ label, ask, many }: ArgumentSpec<unknown>): string {
  const word = many ? `${label}...` : label;
  return ask === null ? `[${word}]` : word;
}

/** `-f, --format, --output table|json`. */
export function optionWords(key: string, option: OptionSpec<unknown>): string {
  const flags = [...(option.short === null ? [] : [option.short]), ...longFlags(key, option)].join(", ");
  return option.value === null ? flags : `${flags} ${option.value}`;
}

/** What it does, and its default. */
export function optionHelp(option: OptionSpec<unknown>): string {
  const more = [
    ...(option.required ? ["required"] : []),
    ...(option.repeat ? ["may be repeated"] : []),
    ...(option.shownDefault === null ? [] : [`default ${option.shownDefault}`]),
  ];
  return more.length === 0 ? option.help : `${option.help} (${more.join("; ")})`;
}

export function usageLine(name: string, verb: Verb): string {
  const required = Object.entries(verb.options)
    .filter(([, option]) => option.required)
    .map(([key, option]) => `${longFlags(key, option)[0]} ${option.value ?? ""}`);
  const words = Object.values(verb.arguments).map(argumentWord);
  return ["estrato", name, ...words, ...required, "[OPTION...]"].join(" ");
}

type Row = readonly [left: string, right: string];

function section(title: string, rows: readonly Row[], widest = 34): string {
  if (rows.length === 0) return "";
  const width = Math.min(widest, Math.max(...rows.map(([left]) => left.length))) + 2;
  const lines = rows.flatMap(([left, right]) => {
    const [first = "", ...more] = wrapped(right, WIDTH - width - 2);
    const indent = " ".repeat(width + 2);
    const head = left.length + 2 > width ? [`  ${left}`, indent + first] : [`  ${left.padEnd(width)}${first}`];
    return [...head.map((line) => line.trimEnd()), ...more.map((line) => indent + line)];
  });
  return `\n${title}\n${lines.join("\n")}\n`;
}

function optionRows(options: Options): Row[] {
  return Object.entries(options).map(([key, option]) => [optionWords(key, option), optionHelp(option)]);
}

/** Their names alone: what they do is said once. */
function globalFlags(): string {
  const flags = Object.entries(GLOBAL_OPTIONS).map(([key, option]) => option.short ?? longFlags(key, option)[0] ?? "");
  return wrapped([...flags, "--help"].join(" "), WIDTH - 2)
    .map((line) => `  ${line}\n`)
    .join("");
}

function paragraphs(text: string): string {
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => `${wrapped(paragraph, WIDTH).join("\n")}\n`)
    .join("\n");
}

function verbHelp(name: string, verb: Verb): string {
  const examples = verb.examples.map(({ line, says }) => `  # ${says}\n  ${line}\n`).join("\n");
  return [
    paragraphs(verb.description),
    `\nUSAGE\n  ${usageLine(name, verb)}\n`,
    section(
      "ARGUMENTS",
      Object.values(verb.arguments).map((spec) => [argumentWord(spec), spec.help]),
    ),
    section("OPTIONS", optionRows(verb.options)),
    `\nOPTIONS OF EVERY COMMAND (see "estrato --help")\n${globalFlags()}`,
    examples === "" ? "" : `\nEXAMPLES\n${examples}`,
    section(
      "EXIT STATUS",
      Object.entries(verb.exits).map(([code, meaning]) => [code, meaning]),
    ),
  ].join("");
}

function nounHelp(name: string, summary: string, noun: Noun): string {
  const verbs = Object.entries(noun.verbs).map(([verb, { summary: summaryLine, aliases = [] }]): Row => {
    return [[verb, ...aliases].join(", "), summaryLine];
  });
  return [
    `${summary}.\n\n${paragraphs(noun.description)}`,
    `\nUSAGE\n  estrato ${name} VERB [TARGET...] [OPTION...]\n`,
    section("VERBS", verbs),
    `\nSee "estrato help ${name} VERB" for one of them, and man estrato-${name}.\n`,
  ].join("");
}

export function programHelp(catalogue: Catalogue): string {
  const shown = Object.entries(catalogue).filter(([, entry]) => !("hidden" in entry));
  const rows = (kind: "noun" | "verb"): Row[] =>
    shown.filter(([, entry]) => kind in entry).map(([name, { summary }]) => [name, summary]);
  return [
    "The verbs of a cloud on one libvirt host.\n",
    "\nUSAGE\n  estrato NOUN VERB [TARGET...] [OPTION...]\n",
    section("NOUNS", rows("noun")),
    section("VERBS OF THEIR OWN", rows("verb")),
    section("OPTIONS", [
      ...optionRows(GLOBAL_OPTIONS),
      ["-h, --help", "show help, also for a noun or a verb"],
      ["-V, --version", "show the version"],
    ]),
    '\nSee "estrato help NOUN [VERB]", and man estrato.\n',
  ].join("");
}

/** The help of the program, of a noun, or of a verb. Throws "usage" for what there is not. */
export async function helpFor(catalogue: Catalogue, words: readonly string[]): Promise<string> {
  const resolved = await resolve(catalogue, words);
  if (resolved.is === "nothing") return programHelp(catalogue);
  if (resolved.is === "noun") return nounHelp(resolved.name, catalogue[resolved.name]?.summary ?? "", resolved.noun);
  return verbHelp(resolved.path.join(" "), (await resolved.load()).default);
}
