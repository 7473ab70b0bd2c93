/** The pages *.1, from the declarations that --help prints. */
import { GLOBAL_OPTIONS } from "../commands/framework/globals.ts";
import { argumentWord, optionHelp, optionWords, usageLine } from "../commands/framework/help.ts";
import type { Catalogue, Noun, Options, Verb } from "../commands/framework/tree.ts";
import { ENVIRONMENT, EXIT_STATUS, type Fact, FILES, SETTINGS } from "./documented.ts";
import { code, escaped, header, heading, item, joined, paragraphs, type Release, subheading } from "./roff.ts";
import { everyGuide, seeAlso } from "./see-also.ts";

/** File name → text. */
export type Pages = ReadonlyMap<string, string>;

export async function manualPages(catalogue: Catalogue, release: Release): Promise<Pages> {
  const pages = new Map<string, string>();
  const shown = Object.entries(catalogue).filter(([, entry]) => !("hidden" in entry));
  pages.set("estrato.1", programPage(catalogue, release));
  for (const [name, entry] of shown) {
    const page =
      "noun" in entry
        ? await nounPage(name, entry.summary, (await entry.noun()).default, release)
        : verbPage(name, entry.summary, (await entry.verb()).default, release);
    pages.set(`estrato-${name}.1`, page);
  }
  return pages;
}

function programPage(catalogue: Catalogue, release: Release): string {
  const facts = (kind: "noun" | "verb"): Fact[] =>
    Object.entries(catalogue)
      .filter(([, entry]) => kind in entry && !("hidden" in entry))
      .map(([name, { summary }]) => [name, `${summary}. See estrato-${name}(1).`]);
  return joined([
    top("estrato", "the verbs of a cloud on one libvirt host", release),
    heading("Synopsis"),
    code(["estrato NOUN VERB [TARGET...] [OPTION...]"]),
    heading("Description"),
    paragraphs(
      "Gives one Linux host with libvirt the verbs of a cloud: instances, volumes, snapshots, images, shelving and rotated backups, in " +
        "the grammar of `openstack` and `aws ec2`.\n\nA target is an id, a name, or for snapshots also `INSTANCE/NAME`. An ambiguous name " +
        "is an error that lists the candidates. Sizes are written `512M`, `10G` or `10GiB` (powers of 1024), durations `90s`, `30m`, `12h`, " +
        "`7d` or `2w`, times as in ISO 8601.",
    ),
    heading("Nouns"),
    items(facts("noun")),
    heading("Verbs of their own"),
    items(facts("verb")),
    heading("Options of every command"),
    paragraphs("They may stand anywhere in the line."),
    optionItems(GLOBAL_OPTIONS),
    item("-h, --help", "show help, also for a noun or a verb"),
    item("-V, --version", "show the version"),
    heading("Output"),
    paragraphs(
      "Standard output holds the result and nothing else; messages, questions and progress go to standard error. Without --format a " +
        "result is a table at a terminal; in a pipe it is lines of full values behind tabs, without headers, sizes in bytes and times in " +
        "ISO 8601. With -f table it is an aligned table there too. With -f value columns are parted by a space, and what is not there is " +
        "`None`. Control characters in names that others chose are shown escaped everywhere but in json and yaml.\n\n" +
        "With -f json an error is one object on standard error: `error` with `code`, `message`, `hint`, `command` and `exit`. What each verb " +
        "prints is described by JSON Schemas (draft 2020-12), a file for each noun, with a part below `$defs` for each verb, and `plan`, `error` and " +
        "`progress`: in /usr/share/estrato/schemas of the Debian packages, in the folder schemas/ of the npm package. What changes something " +
        "says `changed` and `schema_version` there, which is raised where a key comes to mean something else; keys that are added raise nothing.",
    ),
    bottom(EXIT_STATUS),
    heading("See also"),
    paragraphs(everyGuide()),
  ]);
}

async function nounPage(name: string, summary: string, noun: Noun, release: Release): Promise<string> {
  const verbs = await Promise.all(
    Object.entries(noun.verbs).map(async ([verb, entry]) => ({
      name: `${name} ${verb}`,
      entry,
      verb: (await entry.load()).default,
    })),
  );
  const sections = verbs.map(({ name: full, entry, verb }) => {
    const aliases = entry.aliases ?? [];
    const also =
      aliases.length === 0 ? "" : paragraphs(`Also: ${aliases.map((one) => `estrato ${name} ${one}`).join(", ")}.`);
    return `${subheading(full)}${body(full, verb)}${also}${examplesOf(verb)}${exitsOf(verb)}`;
  });
  return joined([
    top(`estrato-${name}`, lowered(summary), release),
    heading("Synopsis"),
    code(verbs.length === 0 ? [`estrato ${name}`] : verbs.map(({ name: full, verb }) => usageLine(full, verb))),
    heading("Description"),
    paragraphs(noun.description),
    verbs.length === 0 ? "" : heading("Verbs"),
    ...sections,
    ...(name === "config" ? [heading("Settings"), items(SETTINGS)] : []),
    bottom(EXIT_STATUS),
    heading("See also"),
    paragraphs(seeAlso(name)),
  ]);
}

function verbPage(name: string, summary: string, verb: Verb, release: Release): string {
  const exits = Object.entries(verb.exits);
  return joined([
    top(`estrato-${name}`, lowered(summary), release),
    heading("Synopsis"),
    code([usageLine(name, verb)]),
    heading("Description"),
    body(name, verb, false),
    verb.examples.length === 0 ? "" : heading("Examples"),
    examplesOf(verb),
    exits.length === 0 ? "" : bottom(exits.length > 0 && "0" in verb.exits ? exits : merged(exits)),
    exits.length === 0 ? bottom(EXIT_STATUS) : "",
    heading("See also"),
    paragraphs(seeAlso(name)),
  ]);
}

/** What is said here stands in the place of the general meaning. */
function merged(exits: readonly Fact[]): readonly Fact[] {
  return EXIT_STATUS.map(([code, meaning]) => exits.find(([one]) => one === code) ?? [code, meaning]);
}

function top(name: string, about: string, release: Release): string {
  return `${header(name, 1, release)}${heading("Name")}${escaped(name)} \\- ${escaped(about)}\n`;
}

function bottom(exits: readonly Fact[]): string {
  return [
    heading("Exit status"),
    items(exits),
    heading("Files"),
    items(FILES),
    heading("Environment"),
    items(ENVIRONMENT),
  ].join("");
}

function body(name: string, verb: Verb, withUsage = true): string {
  const specs = Object.values(verb.arguments);
  return [
    withUsage ? code([usageLine(name, verb)]) : "",
    paragraphs(verb.description),
    ...specs.map((spec) => item(argumentWord(spec), spec.help)),
    optionItems(verb.options),
    verb.result.columns.length === 0
      ? ""
      : paragraphs(`Columns: ${verb.result.columns.map(({ key }) => key).join(", ")}.`),
  ].join("");
}

function examplesOf(verb: Verb): string {
  return verb.examples.map(({ line, says }) => `${paragraphs(`Example: ${says}`)}${code([line])}`).join("");
}

function exitsOf(verb: Verb): string {
  const exits = Object.entries(verb.exits);
  if (exits.length === 0) return "";
  return `${paragraphs("Exit status, besides the general:")}${items(exits)}`;
}

function optionItems(options: Options): string {
  return Object.entries(options)
    .map(([key, option]) => item(optionWords(key, option), optionHelp(option)))
    .join("");
}

function items(facts: readonly Fact[]): string {
  return facts.map(([term, meaning]) => item(term, meaning)).join("");
}

function lowered(summary: string): string {
  return /^[A-Z][a-z]/.test(summary) ? summary.charAt(0).toLowerCase() + summary.slice(1) : summary;
}
