/** The settings there are: what each means, what it takes, and what holds where nobody set it. */
import { isAbsolute } from "node:path";
import { LANGUAGES, languageAskedFor } from "../languages.ts";
import { durationMs, LONGEST_DURATION_MS } from "../units.ts";

export interface SettingKind {
  /** One line for `config list` and the manual. */
  readonly doc: string;
  /** What a value may be, in words for a message. */
  readonly takes: string;
  readonly accepts: (value: string) => boolean;
  /** Null: there is none, and what needs it asks for it. */
  readonly fallback: (uid: number, env: Readonly<Record<string, string | undefined>>) => string | null;
  /** Environment variables, the first that is set wins. */
  readonly variables: readonly string[];
  /** What a shell offers for a value: these words, or things of that kind. */
  readonly completes?: readonly string[] | "folder" | "network" | "flavor";
}

function oneOf(...values: readonly string[]): Pick<SettingKind, "takes" | "accepts" | "completes"> {
  return { takes: `one of ${values.join(", ")}`, accepts: (value) => values.includes(value), completes: values };
}

function hasControlCharacter(value: string): boolean {
  return [...value].some((character) => character < " " || character === "\u007f");
}

function named(takes: string): Pick<SettingKind, "takes" | "accepts"> {
  const accepts = (value: string) =>
    value.length > 0 &&
    value.length <= 128 &&
    !value.includes("/") &&
    !value.startsWith("-") &&
    !hasControlCharacter(value);
  return { takes, accepts };
}

export const SETTING_KINDS = {
  connect: {
    doc: "The libvirt to talk to.",
    takes: "a libvirt URI such as qemu:///system",
    accepts: (value) => /^[a-z][a-z0-9+.-]*:\/\/\S*$/i.test(value),
    fallback: (uid) => (uid === 0 ? "qemu:///system" : "qemu:///session"),
    variables: ["ESTRATO_CONNECT", "LIBVIRT_DEFAULT_URI"],
    completes: ["qemu:///system", "qemu:///session"],
  },
  network: {
    doc: "The network that new instances are on: one of libvirt's, or user, which needs no root.",
    ...named("a network's name of 1 to 128 characters, user or none"),
    fallback: (uid) => (uid === 0 ? "default" : "user"), // as of `connect`: there is none in a user's session
    variables: ["ESTRATO_NETWORK"],
    completes: "network",
  },
  backup_target: {
    doc: "The folder that backups go to where --target names none.",
    takes: "an absolute path",
    accepts: (value) => isAbsolute(value) && !hasControlCharacter(value),
    fallback: () => null,
    variables: ["ESTRATO_BACKUP_TARGET"],
    completes: "folder",
  },
  flavor: {
    doc: "The flavor of new instances that are made from an image or a volume, where nothing says their size.",
    ...named("a flavor's name"),
    completes: "flavor",
    fallback: () => "small",
    variables: ["ESTRATO_FLAVOR"],
  },
  rotation: {
    doc: "How many backups of an instance and type are kept where neither --rotation nor --keep-* says it.",
    takes: "a whole number from 1 on",
    accepts: (value) => /^[1-9][0-9]{0,5}$/.test(value),
    fallback: () => null,
    variables: ["ESTRATO_ROTATION"],
  },
  backup_type: {
    doc: "The type that backups are rotated with where --type names none.",
    ...named("a name of 1 to 128 characters"),
    fallback: () => "manual",
    variables: ["ESTRATO_BACKUP_TYPE"],
  },
  quiesce: {
    doc: "Whether the file systems of a running guest are quiesced for a snapshot or a backup.",
    ...oneOf("try", "require", "off"),
    fallback: () => "try",
    variables: ["ESTRATO_QUIESCE"],
  },
  image_stores: {
    doc: "Folders of stores, besides those of this host's users, in which shared images are looked for.",
    takes: "absolute paths, separated by commas",
    accepts: (value) => value.split(",").every((path) => isAbsolute(path) && !hasControlCharacter(path)),
    fallback: () => null,
    variables: ["ESTRATO_IMAGE_STORES"],
  },
  revert_keep: {
    doc: "How long a revert keeps what the disks held before.",
    takes: "a duration such as 90s, 30m, 12h, 7d or 2w",
    accepts: (value) => (durationMs(value) ?? Number.POSITIVE_INFINITY) <= LONGEST_DURATION_MS,
    fallback: () => "24h",
    variables: ["ESTRATO_REVERT_KEEP"],
  },
  host_timeout: {
    doc: "How long, in seconds, libvirt or another program may give no answer, or get on with nothing (exit 7).",
    takes: "whole seconds from 1 to 86400",
    accepts: (value) => /^[1-9][0-9]{0,4}$/.test(value) && Number(value) <= 86_400,
    fallback: () => "30",
    variables: ["ESTRATO_HOST_TIMEOUT"],
  },
  color: {
    doc: "When to colour: auto means on a terminal.",
    ...oneOf("auto", "always", "never"),
    fallback: () => "auto",
    variables: ["ESTRATO_COLOR"],
  },
  format: {
    doc: "The format of the output where --format names none.",
    ...oneOf("table", "json", "yaml", "csv", "value"),
    fallback: () => "table",
    variables: ["ESTRATO_FORMAT"],
  },
  language: {
    doc: "The language of the guides that `help` shows, else that of LC_ALL, LC_MESSAGES or LANG; what there is not in it comes in English.",
    ...oneOf(...LANGUAGES),
    fallback: (_uid, env) => languageAskedFor(env),
    variables: ["ESTRATO_LANGUAGE"],
  },
} as const satisfies Record<string, SettingKind>;

export type SettingKey = keyof typeof SETTING_KINDS;

export const SETTING_KEYS = Object.keys(SETTING_KINDS) as SettingKey[];

export function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(SETTING_KINDS, key);
}
