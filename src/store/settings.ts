/** What is set, by whom: flag over environment over user over system over default. */
import { join } from "node:path";
import { didYouMean } from "../did-you-mean.ts";
import { EstratoError } from "../errors.ts";
import { xdgFolder } from "./home.ts";
import { isSettingKey, SETTING_KEYS, SETTING_KINDS, type SettingKey, type SettingKind } from "./setting-keys.ts";
import { changeSettingsFile, readSettingsFile } from "./settings-file.ts";

export type SettingOrigin = "flag" | "environment" | "user" | "system" | "default";
/** Which file is written. */
export type SettingScope = "user" | "system";

export interface Setting {
  readonly key: SettingKey;
  /** Null: nobody set it and it has no default. */
  readonly value: string | null;
  readonly origin: SettingOrigin;
  /** The variable or the file it came from; null for flags and defaults. */
  readonly source: string | null;
}

export interface Settings {
  readonly files: Readonly<Record<SettingScope, string>>;
  /** "usage" for an unknown key, or a bad flag or variable; "host" for a bad file. */
  get(key: string): Setting;
  /** All known keys, in the order of the manual. */
  list(): Setting[];
  /** What a shell offers for a value of this key: words, or a kind of thing; [] for what has no such values. */
  completes(key: string): NonNullable<SettingKind["completes"]>;
  /** Validates, then stores durably. Without `scope`: root's go to the system file, anyone else's to his own. */
  set(key: string, value: string, scope?: SettingScope): Promise<void>;
  /** Throws "usage" where `unset` would: we don't know the key, and it is not in that file. */
  requireKnown(key: string, scope?: SettingScope): void;
  /** Forgets a key in that file, even one that we don't know. */
  unset(key: string, scope?: SettingScope): Promise<void>;
}

export interface SettingsOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly flags?: Readonly<Partial<Record<SettingKey, string | undefined>>>;
  /** /etc/estrato, but for tests. */
  readonly systemFolder?: string;
}

const MODES = {
  system: { file: 0o644, folder: 0o755 }, // every user reads it; it holds no secret
  user: { file: 0o600, folder: 0o700 },
} as const;

/** Touches no disk before its functions are called; a file is read once. */
export function openSettings({ env, uid, flags = {}, systemFolder = "/etc/estrato" }: SettingsOptions): Settings {
  const files = {
    system: join(systemFolder, "config.json"),
    user: join(xdgFolder(env, "XDG_CONFIG_HOME", ".config"), "estrato", "config.json"),
  };
  const scopeOfCaller: SettingScope = uid === 0 ? "system" : "user";
  const read = new Map<SettingScope, Record<string, unknown>>();

  function settingsOf(scope: SettingScope): Record<string, unknown> {
    const settings = read.get(scope) ?? readSettingsFile(files[scope]);
    read.set(scope, settings);
    const unknown = Object.keys(settings).find((key) => !isSettingKey(key));
    if (unknown === undefined) return settings;
    throw new EstratoError("host", `${files[scope]}: unknown setting ${JSON.stringify(unknown)}`, {
      hint: `Remove it with \`estrato config unset ${unknown}${saying(scope)}\`; known are ${SETTING_KEYS.join(", ")}.`,
    });
  }

  function get(key: SettingKey): Setting {
    const kind: SettingKind = SETTING_KINDS[key];
    const flag = flags[key];
    if (flag !== undefined) {
      return { key, value: checked(kind, flag, `--${key.replaceAll("_", "-")}`), origin: "flag", source: null };
    }
    for (const variable of kind.variables) {
      const value = env[variable];
      if (value) return { key, value: checked(kind, value, variable), origin: "environment", source: variable };
    }
    for (const scope of ["user", "system"] as const) {
      const settings = settingsOf(scope);
      if (!Object.hasOwn(settings, key)) continue;
      const value = settings[key];
      if (typeof value !== "string" || !kind.accepts(value)) throw badInFile(files[scope], key, kind, saying(scope));
      return { key, value, origin: scope, source: files[scope] };
    }
    return { key, value: kind.fallback(uid, env), origin: "default", source: null };
  }

  function requireKnown(key: string, scope: SettingScope = scopeOfCaller): void {
    if (!isSettingKey(key) && !Object.hasOwn(readSettingsFile(files[scope]), key)) known(key);
  }

  /** For a line of `config` that is to change that file: what says so, where it is not the usual one for who calls. */
  const saying = (scope: SettingScope): string => (scope === scopeOfCaller ? "" : ` --${scope}`);

  async function change(scope: SettingScope, effect: (settings: Record<string, unknown>) => void): Promise<void> {
    await changeSettingsFile(files[scope], MODES[scope], effect, env.PATH);
    read.delete(scope);
  }

  return {
    files,
    get: (key) => get(known(key)),
    list: () => SETTING_KEYS.map(get),
    completes: (key) => (isSettingKey(key) ? ((SETTING_KINDS[key] as SettingKind).completes ?? []) : []),

    async set(key, value, scope = scopeOfCaller) {
      const accepted = checked(SETTING_KINDS[known(key)], value, key);
      await change(scope, (settings) => {
        settings[key] = accepted;
      });
    },

    requireKnown,

    async unset(key, scope = scopeOfCaller) {
      requireKnown(key, scope);
      await change(scope, (settings) => {
        delete settings[key];
      });
    },
  };
}

function known(key: string): SettingKey {
  if (isSettingKey(key)) return key;
  throw new EstratoError("usage", `setting ${JSON.stringify(key)}: unknown`, {
    hint: didYouMean(key.replaceAll("-", "_"), SETTING_KEYS, `Known are ${SETTING_KEYS.join(", ")}.`),
  });
}

function checked(kind: SettingKind, value: string, what: string): string {
  if (kind.accepts(value)) return value;
  throw new EstratoError("usage", `${what} ${JSON.stringify(value)}: not ${kind.takes}`, {
    hint: didYouMean(value, Array.isArray(kind.completes) ? kind.completes : [], `Give ${kind.takes}.`),
  });
}

function badInFile(file: string, key: SettingKey, kind: SettingKind, scope: string): EstratoError {
  return new EstratoError("host", `${file}: ${key} is not ${kind.takes}`, {
    hint: `Set it with \`estrato config set ${key} VALUE${scope}\`.`,
  });
}
