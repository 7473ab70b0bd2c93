/** A setting, as its verbs print it. */
import type { Factory } from "../../factory.ts";
import { text } from "../../ui/output/columns.ts";

export type Setting = ReturnType<Awaited<ReturnType<Factory["settings"]>>["get"]>;

export const settingColumns = [
  text<Setting>("key", (setting) => setting.key, { rank: 0 }),
  text<Setting>("value", (setting) => setting.value, { rank: 1, orNull: true }),
  text<Setting>("origin", (setting) => setting.origin),
  text<Setting>("source", (setting) => setting.source, { orNull: true }),
];
