/** YAML, loaded only where it is asked for. A static import, since the bundled package is CommonJS. */
import { stringify } from "yaml";
import { jsonText, printableLines } from "../text.ts";
import type { Json } from "./json.ts";

/** Ends with a newline. Long values stay on one line. What would not be harmless is written as JSON, which is YAML. */
export function yamlText(value: Json): string {
  const text = stringify(value, { lineWidth: 0 });
  return printableLines(text) === text ? text : `${jsonText(value, 2)}\n`;
}
