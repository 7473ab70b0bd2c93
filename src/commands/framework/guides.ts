/** The guides of the manual, for `estrato help GUIDE`: what man/ holds, wrapped to the terminal. */
import { EstratoError } from "../../errors.ts";
import type { Surroundings } from "../../factory.ts";
import { LANGUAGES, type Language, languageAskedFor } from "../../languages.ts";
import type { Block } from "../../ui/markdown.ts";
import type { Layout } from "./help-layout.ts";

interface GuideEntry {
  readonly about: string;
  readonly load: () => Promise<{ readonly default: string }>;
  /** The same in Spanish. */
  readonly es?: () => Promise<{ readonly default: string }>;
}

/** By the word that help knows them by: no noun is called so. */
export const GUIDES: Readonly<Record<string, GuideEntry>> = {
  tutorial: {
    about: "from a disk image to a golden image",
    load: () => import("../../../man/estrato-tutorial.7.md"),
    es: () => import("../../../man/estrato-tutorial.es.7.md"),
  },
  concepts: {
    about: "what things are, and what follows",
    load: () => import("../../../man/estrato-concepts.7.md"),
    es: () => import("../../../man/estrato-concepts.es.7.md"),
  },
  backups: {
    about: "backups, their format, and how to read them without estrato",
    load: () => import("../../../man/estrato-backup.7.md"),
  },
  recovery: {
    about: "after a crash, when something differs, and when a host is lost",
    load: () => import("../../../man/estrato-recovery.7.md"),
  },
  cron: {
    about: "recipes for what is to happen by itself",
    load: () => import("../../../man/estrato-cron.7.md"),
  },
  "coming-from": {
    about: "what openstack, aws, virsh, virt-manager and vagrant call it",
    load: () => import("../../../man/estrato-coming-from.7.md"),
  },
  classroom: {
    about: "an exercise for a class",
    load: () => import("../../../man/estrato-classroom.7.md"),
  },
  users: {
    about: "who may do what, and whose files they are",
    load: () => import("../../../man/estrato-users.7.md"),
  },
  store: {
    about: "the files in which estrato remembers",
    load: () => import("../../../man/estrato-store.5.md"),
  },
};

/** As the setting says; where settings are damaged, as the environment does. */
export async function languageFor({ env, uid, twins }: Surroundings): Promise<Language> {
  const { openSettings } = await import("../../storage.ts");
  const folder = twins?.systemFolder;
  try {
    const { value } = openSettings({ env, uid, ...(folder === undefined ? {} : { systemFolder: folder }) }).get(
      "language",
    );
    return LANGUAGES.find((language) => language === value) ?? "en";
  } catch (error) {
    if (error instanceof EstratoError) return languageAskedFor(env);
    throw error;
  }
}

/** The guide of that name, in this language where there is one. */
export async function guideText(name: string, layout: Layout, language: Language): Promise<string> {
  const entry = GUIDES[name];
  const load = (language === "en" ? undefined : entry?.[language]) ?? entry?.load;
  const [{ parseGuide }, markdown] = await Promise.all([import("../../ui/markdown.ts"), load?.()]);
  const guide = parseGuide(markdown?.default ?? "");
  const parts = guide.blocks.map((block) => blockText(block, layout));
  return `${layout.paragraphs(`${guide.name}(${guide.section}): ${guide.about}`)}${parts.join("")}`;
}

function blockText(block: Block, layout: Layout): string {
  switch (block.kind) {
    case "heading":
      return `\n${block.level === 2 ? block.text : `  ${block.text}`}\n`;
    case "paragraph":
      return `\n${layout.paragraphs(plain(block.text))}`;
    case "item":
      return layout.item(block.number ?? "-", plain(block.text));
    case "code":
      return `\n${block.lines.map((line) => `    ${line}`.trimEnd()).join("\n")}\n`;
  }
}

/** Without the marks of `code`, **bold** and *italics*. */
function plain(text: string): string {
  return text
    .split(/(`[^`]+`)/)
    .map((part) => (part.startsWith("`") ? part.slice(1, -1) : part.replaceAll(/\*\*?([^*\s][^*]*)\*\*?/g, "$1")))
    .join("");
}
