/** What things may be called, and how what a person types finds them. */
import { didYouMean } from "../did-you-mean.ts";
import { EstratoError } from "../errors.ts";

const LONGEST_CHARACTERS = 128;
/** A file's name takes 255 on Linux's file systems, and libvirt puts up to eight behind it: `.xml.new`, `_VARS.fd`. */
const LONGEST_BYTES = 247;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a name must not hold
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
/**
 * Marks that turn the direction of what follows on a terminal, the mark of a text's beginning, and half a surrogate
 * pair: none can be read or typed.
 */
const UNREADABLE = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/u;
/** Joiners and selectors are parts of letters and emoji; alone they are as good as no name, as are blanks. */
const INVISIBLE = /^[\p{Default_Ignorable_Code_Point}\p{White_Space}\u2800]*$/u;

const ID_PREFIXES = ["lay", "vol", "snap", "img", "bak", "sch", "op"] as const;
/** What the ids of this store begin with; an instance's is its UUID. */
export type IdPrefix = (typeof ID_PREFIXES)[number];
const ID = new RegExp(`^((${ID_PREFIXES.join("|")})-[0-9a-f]{17}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`, "i");

/** Why `name` is no name, in a few words; null where it is one. */
export function whyNoName(name: string): string | null {
  if (name === "") return "it is empty";
  if ([...name].length > LONGEST_CHARACTERS) return `it is longer than ${LONGEST_CHARACTERS} characters`;
  if (CONTROL.test(name)) return "it holds a control character";
  if (UNREADABLE.test(name)) return "it holds a character that cannot be shown";
  if (INVISIBLE.test(name)) return "nothing of it can be seen";
  if (name.includes("/")) return 'it holds a "/"';
  if (name.startsWith("-")) return 'it begins with "-"';
  if (name.trim() !== name) return "it begins or ends with a space";
  if (name === "." || name === "..") return "it is the name of a folder";
  if (ID.test(name)) return "it looks like an id, and would mean whatever has that";
  return null;
}

/** The same of a name that libvirt calls files by. */
function whyNoFile(name: string): string | null {
  if (Buffer.byteLength(name) <= LONGEST_BYTES) return null;
  return `it takes more than ${LONGEST_BYTES} bytes, and libvirt makes files of that name`;
}

/** Returns `name`. Throws "usage" where it is no name: 1 to 128 printable characters, no "/", no leading "-", no id. */
export function requireName(kind: string, name: string): string {
  const why = whyNoName(name) ?? (kind === "instance" ? whyNoFile(name) : null);
  if (why === null) return name;
  throw new EstratoError("usage", `${kind} name ${JSON.stringify(name)}: ${why}`, {
    hint: `A name has 1 to ${LONGEST_CHARACTERS} printable characters, no "/" and no leading "-", and is no id.`,
  });
}

/** Throws "conflict" where one of `taken` is this name. */
export function requireFree(kind: string, name: string, taken: Iterable<string | null>): void {
  for (const other of taken) {
    if (other !== name) continue;
    throw new EstratoError("conflict", `${kind} ${name}: the name is taken`, {
      hint: `Choose another; see "estrato ${kind} list".`,
    });
  }
}

/** How the things of one kind are found. */
export interface Lookup<T> {
  /** "snapshot": for the messages, and for "estrato snapshot list". */
  readonly kind: string;
  readonly items: Iterable<T>;
  readonly id: (item: T) => string;
  readonly name: (item: T) => string | null;
  /** Longer names under which it is known too: INSTANCE/NAME. The first one tells candidates apart. */
  readonly paths?: (item: T) => readonly string[];
}

/**
 * The one that `target` means: by id, else by name, else by path. Throws "not_found" where there is none, or several
 * (listed).
 */
export function find<T>(lookup: Lookup<T>, target: string): T {
  const items = [...lookup.items];
  const byId = items.find((item) => lookup.id(item) === target);
  if (byId !== undefined) return byId;
  const found = items.filter((item) => lookup.name(item) === target || (lookup.paths?.(item) ?? []).includes(target));
  const [first, ...others] = found;
  if (first === undefined) throw notFound(lookup.kind, target, namesOf(lookup, items));
  if (others.length === 0) return first;
  const candidates = found.map((item) => lookup.paths?.(item)[0] ?? lookup.id(item));
  const shown = new Set(candidates).size === candidates.length ? candidates : found.map(lookup.id);
  throw new EstratoError("not_found", `${lookup.kind} ${target}: ambiguous: ${shown.join(", ")}`, {
    hint: "Name one of these.",
  });
}

/** web1/nightly: what a name that need not be unique is told apart by. */
export function longName(owner: string, name: string): string {
  return `${owner}/${name}`;
}

/** `known`: what may have been meant. */
export function notFound(kind: string, target: string, known: Iterable<string> = []): EstratoError {
  const hint = didYouMean(target, known, `See "estrato ${kind} list".`);
  return new EstratoError("not_found", `${kind} ${target}: not found`, { hint });
}

/** By what people type: a name that others may have too by its path. */
function namesOf<T>({ name, paths }: Lookup<T>, items: readonly T[]): string[] {
  return items.flatMap((item) => paths?.(item)[0] ?? name(item) ?? []);
}
