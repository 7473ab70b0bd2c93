/** What --help prints, from the declarations that the manual is made of. */
import type { Language } from "../../languages.ts";
import type { ArgumentSpec } from "./arguments.ts";
import { GLOBAL_OPTIONS } from "./globals.ts";
import { GUIDES, guideText } from "./guides.ts";
import { type Layout, layoutFor, type Row } from "./help-layout.ts";
import type { OptionSpec } from "./options.ts";
import { longFlags } from "./parse.ts";
import { resolve } from "./resolve.ts";
import type { Catalogue, Example, Noun, Options, Verb } from "./tree.ts";

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

function optionRows(options: Options): Row[] {
  return Object.entries(options).map(([key, option]) => [optionWords(key, option), optionHelp(option)]);
}

/** Their names alone: what they do is said once. */
function globalFlags(layout: Layout): string {
  const flags = Object.entries(GLOBAL_OPTIONS).map(([key, option]) => option.short ?? longFlags(key, option)[0] ?? "");
  return layout.words([...flags, "--help"]);
}

function examplesText(examples: readonly Example[]): string {
  if (examples.length === 0) return "";
  return `EXAMPLES\n${examples.map(({ line, says }) => `  # ${says}\n  ${line}\n`).join("\n")}\n`;
}

function verbHelp(name: string, verb: Verb, layout: Layout): string {
  return [
    examplesText(verb.examples),
    `USAGE\n${layout.words([usageLine(name, verb)])}\n`,
    layout.paragraphs(verb.description),
    layout.section(
      "ARGUMENTS",
      Object.values(verb.arguments).map((spec) => [argumentWord(spec), spec.help]),
    ),
    layout.section("OPTIONS", optionRows(verb.options)),
    `\nOPTIONS OF EVERY COMMAND (see "estrato --help")\n${globalFlags(layout)}`,
    layout.section(
      "EXIT STATUS",
      Object.entries(verb.exits).map(([code, meaning]) => [code, meaning]),
    ),
  ].join("");
}

async function nounHelp(name: string, summary: string, noun: Noun, layout: Layout): Promise<string> {
  const entries = Object.entries(noun.verbs);
  const firsts = await Promise.all(
    entries.slice(0, MOST_EXAMPLES).map(async ([, { load }]) => (await load()).default.examples.slice(0, 1)),
  );
  const verbs = entries.map(([verb, { summary: summaryLine, aliases = [] }]): Row => {
    return [[verb, ...aliases].join(", "), summaryLine];
  });
  return [
    examplesText(firsts.flat()),
    `${layout.paragraphs(`${summary}.\n\n${noun.description}`)}\n`,
    `USAGE\n  estrato ${name} VERB [TARGET...] [OPTION...]\n`,
    layout.section("VERBS", verbs),
    `\n${layout.paragraphs(`See "estrato help ${name} VERB" for one of them, and man estrato-${name}.`)}`,
  ].join("");
}

const MOST_EXAMPLES = 4;

function shown(catalogue: Catalogue, kind: "noun" | "verb"): Row[] {
  return Object.entries(catalogue)
    .filter(([, entry]) => kind in entry && !("hidden" in entry))
    .map(([name, { summary }]) => [name, summary]);
}

function programHelp(catalogue: Catalogue, layout: Layout): string {
  return [
    examplesText(FIRST_LINES),
    layout.paragraphs("The verbs of a cloud on one libvirt host."),
    "\nUSAGE\n  estrato NOUN VERB [TARGET...] [OPTION...]\n",
    layout.section("NOUNS", shown(catalogue, "noun")),
    layout.section("VERBS OF THEIR OWN", shown(catalogue, "verb")),
    layout.section(
      "GUIDES",
      Object.entries(GUIDES).map(([name, { about }]) => [name, about]),
    ),
    layout.section("OPTIONS", [
      ...optionRows(GLOBAL_OPTIONS),
      ["-h, --help", "show help, also for a noun or a verb"],
      ["-V, --version", "show the version"],
    ]),
    `\n${layout.paragraphs('See "estrato help NOUN [VERB]" or "estrato help GUIDE", and man estrato.')}`,
  ].join("");
}

const FIRST_LINES: readonly Example[] = [
  { line: "estrato instance list", says: "what is on this host" },
  { line: "estrato snapshot create web1 before-upgrade", says: "keep what web1 holds now" },
  { line: "estrato snapshot revert web1/before-upgrade", says: "and bring it back" },
];

/** What people do most, in the order in which they come to it. */
const MOST_USED: readonly Row[] = [
  ["instance list", "what is on this host"],
  ["instance create", "make an instance from an image"],
  ["instance start", "start it"],
  ["instance stop", "shut it down"],
  ["instance ssh", "log in"],
  ["snapshot create", "keep what its disks hold now"],
  ["snapshot revert", "bring that back"],
  ["snapshot tree", "what there is to go back to"],
  ["backup create", "copy it into another folder"],
  ["image create", "make an image, from a file or an instance"],
];

/** What a person sees who types the program's name alone. */
export async function shortHelp(columns: number | null): Promise<string> {
  const layout = await layoutFor(columns);
  return [
    layout.paragraphs("The verbs of a cloud on one libvirt host."),
    layout.section("estrato …", MOST_USED),
    `\n${layout.paragraphs('"estrato help" shows all, "estrato help tutorial" is a first hour, and --help stands behind any line.')}`,
  ].join("");
}

/**
 * The help of the program, of a noun, of a verb, or a guide, for a terminal of so many columns. Guides alone are there
 * in several languages. Throws "usage" for what there is not.
 */
export async function helpFor(
  catalogue: Catalogue,
  words: readonly string[],
  columns: number | null,
  language: () => Promise<Language>,
): Promise<string> {
  const layout = await layoutFor(columns);
  const [only = "", ...others] = words;
  if (others.length === 0 && Object.hasOwn(GUIDES, only)) return guideText(only, layout, await language());
  const resolved = await resolve(catalogue, words);
  if (resolved.is === "nothing") return programHelp(catalogue, layout);
  if (resolved.is === "noun") {
    return nounHelp(resolved.name, catalogue[resolved.name]?.summary ?? "", resolved.noun, layout);
  }
  return verbHelp(resolved.path.join(" "), (await resolved.load()).default, layout);
}
