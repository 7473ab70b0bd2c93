/** Settings, as files and variables have them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import fc from "fast-check";
import { SETTING_KEYS, SETTING_KINDS } from "../../../src/store/setting-keys.ts";
import { openSettings } from "../../../src/store/settings.ts";
import { scratchFile } from "./images.ts";
import { kind } from "./kind.ts";
import { type Json, mutatedJsonText, mutatedText, nastyText } from "./mutate.ts";
import { refusing, Wrong } from "./oracle.ts";

const FILES: Json[] = [
  { connect: "qemu:///system", network: "default", backup_target: "/backups", format: "json" },
  { image_stores: "/a,/b", revert_keep: "24h", host_timeout: "30", color: "auto" },
];
const VALUES = ["qemu:///session", "default", "none", "/backups", "/a,/b", "7d", "86400", "never", "yaml"];
const VARIABLES = SETTING_KEYS.flatMap((key) => [...SETTING_KINDS[key].variables]);

export const settings = kind(
  "settings",
  fc.record({
    user: mutatedJsonText(FILES),
    system: fc.option(mutatedJsonText(FILES)),
    env: fc.dictionary(fc.constantFrom(...VARIABLES), fc.oneof(mutatedText(VALUES, 2), nastyText), { maxKeys: 3 }),
    key: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom<string>(...SETTING_KEYS) },
      { weight: 1, arbitrary: nastyText },
    ),
  }),
  async ({ user, system, env, key }) => {
    const systemFolder = scratchFile("etc");
    const home = scratchFile("home");
    const found = openSettings({ env: { ...env, XDG_CONFIG_HOME: home }, uid: 1000, systemFolder });
    for (const [path, text] of [
      [found.files.user, user],
      [found.files.system, system ?? "{}"],
    ] as const) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    const value = (await refusing(() => found.get(key)))?.value ?? null;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a setting must not hold
    if (value !== null && /[\u0000-\u001f\u007f]/.test(value)) throw new Wrong(`${key} is ${JSON.stringify(value)}`);
    await refusing(() => found.list());
  },
);
