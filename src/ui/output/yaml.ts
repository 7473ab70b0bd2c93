/** YAML, loaded only where it is asked for. A static import, since the bundled package is CommonJS. */
import { stringify } from "yaml";
import type { Json } from "./json.ts";

/** Ends with a newline. Long values stay on one line. */
export function yamlText(value: Json): string {
  return stringify(value, { lineWidth: 0 });
}
