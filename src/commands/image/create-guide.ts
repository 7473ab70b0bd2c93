/** The dialogue of `image create`: from what, and its name. */
import { requireName } from "../../core/names.ts";
import type { Completion } from "../framework/arguments.ts";
import type { Guide } from "../framework/tree.ts";

const SOURCES = [
  { value: "file", description: "a disk image that lies here", flag: "--file", ask: "Which file?", kind: "file" },
  { value: "url", description: "what a server gives", flag: "--url", ask: "Which URL?", kind: null },
  {
    value: "instance",
    description: "what its disks hold now",
    flag: "--from-instance",
    ask: "Which instance?",
    kind: "instance",
  },
  {
    value: "snapshot",
    description: "what was held then",
    flag: "--from-snapshot",
    ask: "Which snapshot?",
    kind: "snapshot",
  },
  { value: "volume", description: "what it holds now", flag: "--from-volume", ask: "Which volume?", kind: "volume" },
] as const satisfies readonly {
  value: string;
  description: string;
  flag: string;
  ask: string;
  kind: Completion | null;
}[];

/** What is there of such is not listed. */
const isTyped = (kind: Completion | null): boolean => kind === null || kind === "file";

/** [] where the line says what it is made from. */
export async function guideImage(guide: Guide): Promise<string[]> {
  const { options, operands } = guide;
  const { file, url, fromInstance, fromSnapshot, fromVolume } = options;
  if ([file, url, fromInstance, fromSnapshot, fromVolume].some((source) => source !== null)) return [];
  const there = await Promise.all(
    SOURCES.map(async (one) => ({ ...one, all: one.kind === null ? [] : await guide.candidates(one.kind) })),
  );
  const possible = there.filter(({ kind, all }) => isTyped(kind) || all.length > 0);
  const chosen = await guide.choose("From what?", possible);
  const source = possible.find(({ value }) => value === chosen);
  if (source === undefined) return [];
  const words = [
    source.flag,
    isTyped(source.kind) ? await guide.ask(source.ask) : await guide.choose(source.ask, source.all),
  ];
  if (operands.length > 0) return words;
  return [await guide.ask("Name of the new image", { check: (text) => requireName("image", text) }), ...words];
}
