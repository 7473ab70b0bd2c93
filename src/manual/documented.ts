/** What every page says: exit codes, files, environment. */
import { SETTING_KINDS } from "../store/setting-keys.ts";

export type Fact = readonly [term: string, meaning: string];

export const EXIT_STATUS: readonly Fact[] = [
  ["0", "done"],
  ["1", "failed: a child command failed, and the message names it; several targets failed, each in its own way"],
  ["2", "usage: a malformed name, size, option or combination"],
  ["3", "some targets failed, some did not"],
  ["4", "not found, or ambiguous"],
  ["5", "conflict: a wrong state, dependants, a name that is taken, a protected thing, an operation in progress"],
  [
    "6",
    "the host or a file does not serve: a program, an agent, space or a capability is missing, or the store is missing or not this machine's",
  ],
  ["7", "time-out; the work may go on"],
  ["8", "needs a yes, and nobody can be asked; nothing has changed"],
  ["9", "integrity: what is there is not what was recorded"],
  ["130, 143", "interrupted, terminated"],
  ["255", "of `instance ssh`: no way into the guest"],
];

export const FILES: readonly Fact[] = [
  ["/var/lib/estrato", "layers and what is remembered, of root"],
  ["$XDG_DATA_HOME/estrato", "the same of any other user (~/.local/share/estrato)"],
  ["/etc/estrato/config.json", "settings of the system"],
  ["$XDG_CONFIG_HOME/estrato/config.json", "settings of a user (~/.config/estrato/config.json)"],
  ["$XDG_STATE_HOME/estrato/fault-*.txt", "traces of unexpected errors, the last 20 (~/.local/state/estrato)"],
];

export const SETTINGS: readonly Fact[] = Object.entries(SETTING_KINDS).map(([key, { doc, takes }]) => [
  key,
  `${doc} Takes ${takes}.`,
]);

export const ENVIRONMENT: readonly Fact[] = [
  ["ESTRATO_HOME", "the folder that holds layers and what is remembered; --store wins"],
  ...Object.entries(SETTING_KINDS).flatMap(([key, { variables }]) =>
    variables.map((variable): Fact => [variable, `the setting ${key}, unless an option names it`]),
  ),
  ["NO_COLOR, TERM=dumb", "no colour"],
  ["COLUMNS", "how wide a table may be"],
  ["SUDO_USER", "who is the owner of what root makes"],
  ["SUDO_UID", "root is behind sudo: a note says where these variables lead, if elsewhere. See estrato-users(7)"],
];
