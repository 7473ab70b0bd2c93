/** The languages that there are guides in, and which of them the environment asks for. */

export const LANGUAGES = ["en", "es"] as const;
export type Language = (typeof LANGUAGES)[number];

/** As man(1) and all others read it; English where there is nothing in the language that is asked for. */
export function languageAskedFor(env: Readonly<Record<string, string | undefined>>): Language {
  const [, word] = /^([a-z]+)(?:[_.@]|$)/.exec(env.LC_ALL || env.LC_MESSAGES || env.LANG || "") ?? [];
  return LANGUAGES.find((language) => language === word) ?? "en";
}
